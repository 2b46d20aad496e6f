package faults

import (
	"testing"

	"github.com/timonier-io/timonier/internal/election"
)

func TestWhatWasWipedComesBackAsAnotherCopy(t *testing.T) {
	members := func(incarnation string) election.Quorum {
		return election.Quorum{Members: map[string]string{"aaaa": "shop-1", incarnation: "shop-2"}}
	}
	if err := otherCopy(members("bbbb"), members("cccc"), "shop-2"); err != nil {
		t.Error(err)
	}
	if otherCopy(members("bbbb"), members("bbbb"), "shop-2") == nil {
		t.Error("the same copy is taken for another one")
	}
	if otherCopy(members("bbbb"), election.Quorum{}, "shop-2") == nil {
		t.Error("an instance that is no member is taken for one that was cloned")
	}
}
