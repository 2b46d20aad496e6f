package pki

import (
	"bytes"
	"crypto/x509"
	"maps"
	"testing"
	"time"
)

func fullState(t *testing.T) State {
	t.Helper()
	previous := authority(t, KindPeer, start.Add(-time.Hour), 2*time.Hour)
	previous.Key = nil
	return State{
		Current: authority(t, KindPeer, start, time.Hour), Next: authority(t, KindPeer, start, time.Hour), Previous: previous,
		Times: Times{PublishedAt: start, SwitchedAt: start.Add(-time.Minute)},
	}
}

func TestStateReadsBackFromItsSecret(t *testing.T) {
	state := fullState(t)
	data, err := AuthorityData(state)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseAuthorityData(data)
	if err != nil || !sameState(state, back) {
		t.Errorf("not what was written: %v", err)
	}
	if data["previous.key"] != nil {
		t.Error("a key that signs nothing any more is kept")
	}
	if empty, err := ParseAuthorityData(nil); err != nil || empty.Current.Exists() {
		t.Errorf("no Secret is not an error: %v", err)
	}
}

func TestDamagedPartsOfAnAuthorityAreLeftOutAndTold(t *testing.T) {
	state := fullState(t)
	whole, err := AuthorityData(state)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key, value        string
		current, sign     bool
		next, previous    bool
		timesAreForgotten bool
	}{
		"key lost":         {key: "ca.key", current: true, next: true, previous: true},
		"certificate lost": {key: "ca.crt", next: true, previous: true},
		"next damaged":     {key: "next.crt", value: "x", current: true, sign: true, previous: true},
		"previous damaged": {key: "previous.crt", value: "x", current: true, sign: true, next: true},
		"times damaged":    {key: "rotation.json", value: "{", current: true, sign: true, next: true, previous: true, timesAreForgotten: true},
	} {
		t.Run(name, func(t *testing.T) {
			data := maps.Clone(whole)
			delete(data, test.key)
			if test.value != "" {
				data[test.key] = []byte(test.value)
			}
			got, err := ParseAuthorityData(data)
			if err == nil {
				t.Error("not told")
			}
			if got.Current.Exists() != test.current || got.Current.CanSign() != test.sign ||
				got.Next.Exists() != test.next || got.Previous.Exists() != test.previous {
				t.Errorf("got current %v (signs %v), next %v, previous %v", got.Current.Exists(), got.Current.CanSign(),
					got.Next.Exists(), got.Previous.Exists())
			}
			if got.Times.PublishedAt.IsZero() != test.timesAreForgotten {
				t.Errorf("times %+v", got.Times)
			}
		})
	}
}

func mounted(t *testing.T) Mounted {
	t.Helper()
	peer, client := authority(t, KindPeer, start, time.Hour), authority(t, KindClient, start, time.Hour)
	return Mounted{
		PeerBundle: []*x509.Certificate{peer.Certificate}, ClientBundle: []*x509.Certificate{client.Certificate},
		Peer:        leaf(t, peer, start, InstanceRequest("orders", []string{"orders-1"}, time.Hour)),
		Server:      leaf(t, client, start, ServerRequest("orders", []string{"orders-rw"}, time.Hour)),
		Replication: leaf(t, peer, start, ReplicationRequest(time.Hour)),
	}
}

func TestMountedSecretReadsBack(t *testing.T) {
	written := mounted(t)
	data, err := written.Data()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseMounted(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Data()
	if err != nil || Hash(data) != Hash(again) {
		t.Errorf("not what was written: %v", err)
	}
	for _, key := range []string{FilePeerCA, FileClientCA, FilePeer, FilePeerKey, FileServer, FileServerKey, FileReplication, FileReplicationKey} {
		damaged := maps.Clone(data)
		damaged[key] = bytes.Repeat([]byte("x"), 10)
		if _, err := ParseMounted(damaged); err == nil {
			t.Errorf("a damaged %s was accepted", key)
		}
	}
}

func TestMonitorSecretReadsBack(t *testing.T) {
	peer := authority(t, KindPeer, start, time.Hour)
	data, err := Monitor{Bundle: []*x509.Certificate{peer.Certificate}, Leaf: leaf(t, peer, start, MonitorRequest(time.Hour))}.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseMonitor(data); err != nil {
		t.Error(err)
	}
}

func TestHashTellsContentAndItsPlaceApart(t *testing.T) {
	a := map[string][]byte{"a": []byte("bc")}
	for name, other := range map[string]map[string][]byte{
		"content moved to the key": {"ab": []byte("c")}, "another content": {"a": []byte("bd")}, "nothing": {},
	} {
		if Hash(a) == Hash(other) {
			t.Errorf("%s: same hash", name)
		}
	}
	if Hash(a) != Hash(maps.Clone(a)) {
		t.Error("equal content, other hash")
	}
}
