package election

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// copies of "a b c", by incarnation: the letter is the instance.
func copies(text string) map[string]string {
	members := map[string]string{}
	for _, id := range strings.Fields(text) {
		members[id] = id[:1]
	}
	return members
}

func quorumOf(required int, members string) Quorum {
	return Quorum{Mode: ModeQuorum, Members: copies(members), Required: required}
}

// following in these words: "b" may join, "b-" is reachable and behind, "b!" is lost.
func following(text string) map[string]Follower {
	followers := map[string]Follower{}
	for _, word := range strings.Fields(text) {
		id := strings.TrimRight(word, "-!")
		followers[id] = Follower{Instance: id[:1], Reachable: !strings.HasSuffix(word, "!"), Joinable: id == word}
	}
	return followers
}

func asking(k int, instances string) Availability {
	return Availability{Mode: ModeQuorum, SynchronousStandbys: k, Instances: strings.Fields(instances)}
}

func preferring(k int, instances string) Availability {
	asked := asking(k, instances)
	asked.Preferred = true
	return asked
}

func TestALeaderWants(t *testing.T) {
	asynchronous := Availability{Mode: ModeAsynchronous, SynchronousStandbys: 1, Instances: []string{"a", "b", "c"}}
	for sentence, tc := range map[string]struct {
		published Quorum
		asked     Availability
		followers string
		want      Quorum
	}{
		"nobody but itself, where it is the only instance":          {quorumOf(1, "a"), asking(0, "a"), "", quorumOf(1, "a")},
		"nobody but itself, as long as the others are being cloned": {quorumOf(1, "a"), asking(1, "a b c"), "b- c!", quorumOf(1, "a")},
		"a majority, as soon as the first may join":                 {quorumOf(1, "a"), asking(1, "a b c"), "b c-", quorumOf(2, "a b")},
		"everybody who may join":                                    {quorumOf(2, "a b"), asking(1, "a b c"), "b c", quorumOf(2, "a b c")},
		"a member to stay that is behind":                           {quorumOf(2, "a b c"), asking(1, "a b c"), "b- c", quorumOf(2, "a b c")},
		"a lost member to go, where enough remain":                  {quorumOf(2, "a b c"), asking(1, "a b c"), "b c!", quorumOf(2, "a b")},
		"one to go that is heard of no more":                        {quorumOf(2, "a b c"), asking(1, "a b c"), "b", quorumOf(2, "a b")},
		"the rest to stay, where too few remain":                    {quorumOf(2, "a b"), asking(1, "a b c"), "", quorumOf(2, "a b")},
		"writes to wait for as many as were promised":               {quorumOf(3, "a b c d e"), asking(2, "a b c d e"), "b", quorumOf(3, "a b c d e")},
		"fewer, where less is asked for":                            {quorumOf(3, "a b c d e"), asking(1, "a b c d e"), "b", quorumOf(2, "a b")},
		"more, where more is asked for":                             {quorumOf(2, "a b c"), asking(2, "a b c"), "b c", quorumOf(3, "a b c")},
		"no more than there are":                                    {quorumOf(2, "a b c"), asking(2, "a b c"), "b", quorumOf(2, "a b")},
		"a new copy in place of the old one":                        {quorumOf(2, "a b c"), asking(1, "a b c"), "b2 c", quorumOf(2, "a b2 c")},
		"the old copy to go, although it streams no more, where too few remain otherwise": {
			quorumOf(3, "a b c"), asking(2, "a b c"), "b2", quorumOf(3, "a b2 c")},
		"its own old copy to go":                                   {quorumOf(2, "a1 b c"), asking(1, "a b c"), "b c", quorumOf(2, "a b c")},
		"whoever was scaled away to go":                            {quorumOf(2, "a b c"), asking(1, "a b"), "b c", quorumOf(2, "a b")},
		"the last one that was scaled away to go, asked for alone": {quorumOf(2, "a b"), asking(0, "a"), "b", quorumOf(1, "a")},
		"one that was scaled away to stay until somebody can take its place": {
			quorumOf(2, "a c"), asking(1, "a b"), "c", quorumOf(2, "a c")},

		"to go on alone, where that is preferred":          {quorumOf(2, "a b"), preferring(1, "a b"), "b!", quorumOf(1, "a")},
		"to wait again, once the other one is back":        {quorumOf(1, "a"), preferring(1, "a b"), "b", quorumOf(2, "a b")},
		"to go on with fewer, where that is preferred":     {quorumOf(3, "a b c d e"), preferring(2, "a b c d e"), "b", quorumOf(2, "a b")},
		"no fewer than are there, where that is preferred": {quorumOf(2, "a b c"), preferring(1, "a b c"), "b", quorumOf(2, "a b")},

		"everybody who streams, with nobody to wait for": {quorumOf(2, "a b c"), asynchronous, "b c!",
			Quorum{Mode: ModeAsynchronous, Members: copies("a b"), Required: 1}},
		"to wait again, once it is asked for": {Quorum{Mode: ModeAsynchronous, Members: copies("a b"), Required: 1},
			asking(1, "a b c"), "b c", quorumOf(2, "a b c")},
	} {
		if got := Wanted(tc.published, "a", "a", tc.asked, following(tc.followers)); !got.Equal(tc.want) {
			t.Errorf("a leader wants %s: %v, not %v", sentence, tc.want, got)
		}
	}
}

// Whatever is published and whoever follows, the changes lead somewhere and end, and never to fewer than were promised.
func TestWhatALeaderWantsIsReachedOrWaitsForSomebody(t *testing.T) {
	for code := range 1 << 8 {
		followers := map[string]Follower{
			"b1": {Instance: "b", Reachable: code&1 != 0, Joinable: code&3 == 3},
			"c1": {Instance: "c", Reachable: code&4 != 0, Joinable: code&12 == 12},
		}
		asked := Availability{Mode: ModeQuorum, SynchronousStandbys: 1 + code>>4&1, Preferred: code>>5&1 != 0, Instances: []string{"a", "b", "c"}}
		if code>>6 == 3 {
			asked.Mode = ModeAsynchronous
		}
		for _, published := range quorums() {
			published = named(published)
			before, steps := published, 0
			for ; steps < 12; steps++ {
				change, ok := NextChange(published, Wanted(published, "a", "a1", asked, followers))
				if !ok {
					break
				}
				published = change.Quorum
			}
			if steps == 12 {
				t.Errorf("from %v, asking for %+v of %v, changes never end", before, asked, followers)
			}
			least := min(before.Required, asked.SynchronousStandbys+1)
			if asked.Mode == ModeQuorum && !asked.Preferred && published.Required < least {
				t.Errorf("from %v, asking for %+v of %v, commits wait for %d", before, asked, followers, published.Required)
			}
		}
	}
}

// named as the instances of these tests are.
func named(quorum Quorum) Quorum {
	quorum = quorum.Copy()
	for id := range quorum.Members {
		quorum.Members[id] = id[:1]
	}
	return quorum
}

func TestFromOneInstanceToThreeTheNumberRisesAfterTheFirstAddition(t *testing.T) {
	published, wanted := quorumOf(1, "a"), quorumOf(2, "a b c")
	var way []string
	for {
		change, ok := NextChange(published, wanted)
		if !ok {
			break
		}
		published = change.Quorum
		way = append(way, fmt.Sprintf("%d of %d", published.Required, len(published.Members)))
	}
	if want := []string{"1 of 2", "2 of 2", "2 of 3"}; !slices.Equal(way, want) {
		t.Errorf("by way of %v, not %v", way, want)
	}
}

func TestTheNumberRisesOnlyWhereEnoughStay(t *testing.T) {
	published, wanted := quorumOf(1, "a b"), quorumOf(2, "a c")
	if change, _ := NextChange(published, wanted); change.Quorum.Required != 1 || len(change.Quorum.Members) != 3 {
		t.Errorf("c is to join before anything waits for b, which is lost: %v", change.Quorum)
	}
}

func TestALostMemberGoesOnlyOnceItsPlaceIsTaken(t *testing.T) {
	if change, ok := NextChange(quorumOf(2, "a b c"), quorumOf(2, "a d")); !ok || change.TellFirst || len(change.Quorum.Members) != 4 {
		t.Errorf("d is to join before b and c go: %v", change.Quorum)
	}
	if change, ok := NextChange(quorumOf(3, "a b c d"), quorumOf(3, "a b")); ok {
		t.Errorf("two are left of three that are required, and still %v", change.Quorum)
	}
}
