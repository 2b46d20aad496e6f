package postgres

import "testing"

func TestWhatIsRaisedAndWhatIsLowered(t *testing.T) {
	running := map[string]int64{"max_connections": 100, "max_wal_senders": 20, "max_worker_processes": 8}
	for name, test := range map[string]struct {
		desired         map[string]int64
		raised, lowered bool
	}{
		"nothing changes":          {map[string]int64{"max_connections": 100}, false, false},
		"one is raised":            {map[string]int64{"max_connections": 200}, true, false},
		"one is lowered":           {map[string]int64{"max_connections": 50}, false, true},
		"one each way":             {map[string]int64{"max_connections": 200, "max_worker_processes": 4}, true, true},
		"another parameter":        {map[string]int64{"shared_buffers": 1}, false, false},
		"running is not known":     {map[string]int64{"max_prepared_transactions": 10}, false, false},
		"lowered among unknown":    {map[string]int64{"max_prepared_transactions": 10, "max_wal_senders": 19}, false, true},
		"what is desired is empty": {nil, false, false},
	} {
		if raised, lowered := Raised(running, test.desired), Lowered(running, test.desired); raised != test.raised || lowered != test.lowered {
			t.Errorf("%s: raised %t, lowered %t; want %t, %t", name, raised, lowered, test.raised, test.lowered)
		}
	}
}
