package instance

import (
	"strings"
	"testing"

	"github.com/timonier-io/timonier/internal/instanceapi"
)

func TestAConfigurationThatIsGivenBackTellsWhatHadChanged(t *testing.T) {
	c, err := loadConfigurations(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	good := instanceapi.Configuration{Revision: "1", Parameters: map[string]string{"work_mem": "4MB", "jit": "off"}}
	c.use(&good)
	c.cameUp("1")
	bad := instanceapi.Configuration{Revision: "2", HBA: []string{"hostssl all all all reject"},
		Parameters: map[string]string{"work_mem": "4MB", "shared_preload_libraries": "nosuchlibrary"}}
	c.use(&bad)
	restored, changed, err := c.giveBack()
	if err != nil || !restored || c.revision() != "1" {
		t.Fatalf("restored %t (%v), revision %s", restored, err, c.revision())
	}
	if want := "spec.parameters.shared_preload_libraries, spec.parameters.jit (removed), spec.hba"; changed != want {
		t.Errorf("it tells of %s, not of %s", changed, want)
	}
	if strings.Contains(changed, "work_mem") {
		t.Error("it tells of what is as it was")
	}
	if restored, _, _ := c.giveBack(); restored {
		t.Error("the good one is given back as well")
	}
}

func TestAMemoryLimitIsReadFromEitherVersionOfCgroups(t *testing.T) {
	for content, want := range map[string]int64{
		"536870912\n": 512 << 20, "max\n": 0, "9223372036854771712\n": 0, "": 0,
	} {
		if got := limitOf(content); got != want {
			t.Errorf("%q: %d, want %d", content, got, want)
		}
	}
}
