package postgrescluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDecideMembers(t *testing.T) {
	for name, tc := range map[string]struct {
		facts membershipFacts
		want  membership
	}{
		"a new cluster takes the first numbers": {
			membershipFacts{wanted: 3}, membership{run: []int{1, 2, 3}}},
		"scaling up takes the lowest free number": {
			membershipFacts{wanted: 3, present: []int{1, 3}, leader: 1}, membership{run: []int{1, 2, 3}}},
		"scaling down takes the highest number": {
			membershipFacts{wanted: 3, present: []int{1, 2, 3, 4, 5}, leader: 1},
			membership{run: []int{1, 2, 3}, remove: []int{5, 4}}},
		"the leader is never scaled away": {
			membershipFacts{wanted: 1, present: []int{1, 2, 3}, leader: 3},
			membership{run: []int{3}, remove: []int{2, 1}}},
		"the leader is kept though its pod is gone": {
			membershipFacts{wanted: 2, present: []int{2, 3}, leader: 1},
			membership{run: []int{1, 2}, remove: []int{3}}},
		"a retained volume is used again by its number": {
			membershipFacts{wanted: 3, volumes: []int{1, 2, 3, 4, 5}, present: []int{1, 2}, leader: 1},
			membership{run: []int{1, 2, 3}}},
		"a retained volume starts nobody beyond what is wanted": {
			membershipFacts{wanted: 1, volumes: []int{1, 2, 3}, present: []int{1}, leader: 1},
			membership{run: []int{1}}},
		"hibernation stops the leader last": {
			membershipFacts{wanted: 0, volumes: []int{1, 2, 3}, present: []int{1, 2, 3}, leader: 2},
			membership{remove: []int{3, 1, 2}}},
		"without a leader every volume is heard": {
			membershipFacts{wanted: 1, volumes: []int{1, 2, 3}, recovering: true},
			membership{run: []int{1, 2, 3}, hearing: true}},
		"without a leader no instance without a volume is started": {
			membershipFacts{wanted: 3, volumes: []int{2}, recovering: true},
			membership{run: []int{2}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := decideMembers(tc.facts)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(membership{}), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
