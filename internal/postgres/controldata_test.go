package postgres

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed testdata/controldata15.txt
var controlData15 string

//go:embed testdata/controldata17.txt
var controlData17 string

func TestWhatPgControldataPrintsIsRead(t *testing.T) {
	for major, output := range map[string]string{"15": controlData15, "17": controlData17} {
		data, err := ParseControlData(output)
		if err != nil {
			t.Fatalf("PostgreSQL %s: %v", major, err)
		}
		if data.SystemIdentifier == "" || data.CheckpointLocation.IsZero() || data.CheckpointREDO.IsZero() || data.CheckpointTimeline != 1 || data.Timeline() != 1 {
			t.Errorf("PostgreSQL %s: %+v", major, data)
		}
		if data.State != StateShutDown || !data.CleanlyShutDown() || !data.DataChecksums || data.WALLogHints || data.WALLevel != "replica" || data.WALSegmentSize != walSegment {
			t.Errorf("PostgreSQL %s: %+v", major, data)
		}
		if len(data.StandbySensitive) != len(StandbySensitive) {
			t.Errorf("PostgreSQL %s: %v", major, data.StandbySensitive)
		}
		for _, name := range StandbySensitive {
			if _, known := data.StandbySensitive[name]; !known {
				t.Errorf("PostgreSQL %s: %s is missing", major, name)
			}
		}
		if data.StandbySensitive["max_connections"] != 100 {
			t.Errorf("PostgreSQL %s: max_connections is %d", major, data.StandbySensitive["max_connections"])
		}
	}
}

func TestWhatIsMissingInPgControldataIsNamed(t *testing.T) {
	for label, output := range map[string]string{
		"Database cluster state":     strings.Replace(controlData17, "Database cluster state", "État du cluster", 1),
		"Latest checkpoint location": strings.Replace(controlData17, "Latest checkpoint location:           ", "Latest checkpoint location: ?", 1),
		"max_connections setting":    strings.Replace(controlData17, "max_connections setting:              1", "max_connections setting: x", 1),
		"Database system identifier": "",
	} {
		if data, err := ParseControlData(output); err == nil || !strings.Contains(err.Error(), label) {
			t.Errorf("%s: %+v, %v", label, data, err)
		}
	}
}
