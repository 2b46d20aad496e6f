package postgres

import "testing"

func TestRestartOrder(t *testing.T) {
	running := map[string]int64{"max_connections": 100, "max_wal_senders": 20, "max_worker_processes": 8}
	for name, test := range map[string]struct {
		desired map[string]int64
		want    RestartOrder
	}{
		"nothing changes":          {map[string]int64{"max_connections": 100}, StandbysFirst},
		"one is raised":            {map[string]int64{"max_connections": 200}, StandbysFirst},
		"one is lowered":           {map[string]int64{"max_connections": 50}, PrimaryFirst},
		"one each way":             {map[string]int64{"max_connections": 200, "max_worker_processes": 4}, StandbysTwice},
		"another parameter":        {map[string]int64{"shared_buffers": 1}, StandbysFirst},
		"running is not known":     {map[string]int64{"max_prepared_transactions": 10}, StandbysFirst},
		"lowered among unknown":    {map[string]int64{"max_prepared_transactions": 10, "max_wal_senders": 19}, PrimaryFirst},
		"what is desired is empty": {nil, StandbysFirst},
	} {
		if got := RestartOrderFor(running, test.desired); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestAStandbyHasNeverLessThanItsPrimary(t *testing.T) {
	desired, floor := map[string]int64{"max_connections": 50, "max_wal_senders": 40}, map[string]int64{"max_connections": 100, "max_wal_senders": 20}
	got := WithFloor(desired, floor)
	if got["max_connections"] != 100 || got["max_wal_senders"] != 40 || len(got) != 2 || desired["max_connections"] != 50 {
		t.Error(got, desired)
	}
}
