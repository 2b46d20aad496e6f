package node

import (
	"os"
	"testing"
	"time"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// A start of a node that runs writes all its files, and kube-proxy ends once its own is written.
func TestAFileOfANodeThatIsAsItShouldBeIsNotWrittenAgain(t *testing.T) {
	n := Node{Name: "node-1", Number: 1, Dir: layout.Dir(t.TempDir())}
	write := func(content string) time.Time {
		t.Helper()
		if err := n.write("kube-proxy.json", content); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(n.disk("kube-proxy.json"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	write("{}")
	long := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(n.disk("kube-proxy.json"), long, long); err != nil {
		t.Fatal(err)
	}
	if at := write("{}"); !at.Equal(long) {
		t.Errorf("it was written again, at %s", at)
	}
	if at := write(`{"mode":"nftables"}`); at.Equal(long) {
		t.Error("another content was not written")
	}
}
