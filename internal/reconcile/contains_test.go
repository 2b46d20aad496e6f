package reconcile

import "testing"

type object = map[string]any

func TestContainsSeesWhatDiffersAndNothingElse(t *testing.T) {
	for name, tc := range map[string]struct {
		want, have any
		contained  bool
	}{
		"other people's fields do not matter":       {object{"a": "1"}, object{"a": "1", "b": "2"}, true},
		"a changed value does":                      {object{"a": "1"}, object{"a": "2"}, false},
		"a missing field does":                      {object{"a": object{"b": "1"}}, object{"a": object{}}, false},
		"a missing parent does":                     {object{"a": object{"b": "1"}}, object{}, false},
		"quantities are compared by value":          {object{"cpu": "0.5"}, object{"cpu": "500m"}, true},
		"different quantities differ":               {object{"cpu": "1"}, object{"cpu": "500m"}, false},
		"numbers are compared by value":             {object{"port": int64(5432)}, object{"port": float64(5432)}, true},
		"a list with defaults within contains":      {[]any{object{"a": "1"}}, []any{object{"a": "1", "b": "2"}}, true},
		"a longer list does not":                    {[]any{"x"}, []any{"x", "y"}, false},
		"an emptied list is as good as none":        {object{"l": []any{}}, object{}, true},
		"a list that must not be empty is not none": {object{"l": []any{"x"}}, object{}, false},
		"an unset boolean is not false":             {object{"b": false}, object{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := contains(tc.want, tc.have); got != tc.contained {
				t.Errorf("contains = %v, want %v", got, tc.contained)
			}
		})
	}
}
