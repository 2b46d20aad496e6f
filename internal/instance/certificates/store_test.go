package certificates

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/pki"
)

// issue writes a whole set as the operator does.
func issue(t *testing.T, directory string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	authority, err := pki.Generate(now, rand.Reader, pki.Identity{Kind: pki.KindPeer, Namespace: "n", Cluster: "c"}, time.Hour)
	must(err)
	write := func(file string, content []byte) { must(os.WriteFile(filepath.Join(directory, file), content, 0o600)) }
	for _, file := range []string{PeerCA, ClientCA} {
		write(file, pki.EncodeCertificates(authority.Certificate))
	}
	for certificate, key := range map[string]string{PeerCertificate: PeerKey, ServerCertificate: ServerKey, ReplicationCertificate: ReplicaKey} {
		leaf, err := authority.Issue(now, rand.Reader, pki.InstanceRequest("c", []string{"h"}, time.Hour))
		must(err)
		encoded, err := pki.EncodeKey(leaf.Key)
		must(err)
		write(certificate, pki.EncodeCertificates(leaf.Certificate))
		write(key, encoded)
	}
}

func refresh(t *testing.T, s *Store) bool {
	t.Helper()
	changed, err := s.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestCertificatesAreLoadedWhenTheyChange(t *testing.T) {
	source := t.TempDir()
	s := NewStore(source, filepath.Join(t.TempDir(), "tls"))
	if _, err := s.Refresh(); err == nil {
		t.Error("no files are no error")
	}
	issue(t, source)
	if !refresh(t, s) || refresh(t, s) {
		t.Error("loaded not once")
	}
	first := s.Report()
	issue(t, source)
	if !refresh(t, s) {
		t.Fatal("the change is not seen")
	}
	second := s.Report()
	if first.Server == second.Server || first.PeerCAs[0] == second.PeerCAs[0] {
		t.Errorf("the reports are %+v and %+v", first, second)
	}
	info, err := os.Stat(s.Copy(ServerKey))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy of the key: %v, %v", info.Mode(), err)
	}
}

func TestFilesThatDoNotFitTogetherChangeNothing(t *testing.T) {
	source := t.TempDir()
	s := NewStore(source, filepath.Join(t.TempDir(), "tls"))
	issue(t, source)
	refresh(t, s)
	before, err := os.ReadFile(s.Copy(ServerKey))
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	issue(t, other)
	if err := os.Rename(filepath.Join(other, ServerKey), filepath.Join(source, ServerKey)); err != nil {
		t.Fatal(err)
	}
	report := s.Report()
	if _, err := s.Refresh(); err == nil {
		t.Error("a key of another certificate was taken")
	}
	after, err := os.ReadFile(s.Copy(ServerKey))
	if err != nil || string(after) != string(before) || s.Report().Server != report.Server {
		t.Error("something changed all the same")
	}
}
