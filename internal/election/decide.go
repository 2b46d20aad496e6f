package election

import "github.com/timonier-io/timonier/internal/instanceapi"

// rule decides, or leaves it to the next one by returning nil.
type rule struct {
	name string
	// decide is a function of the observation alone; record is the Lease's content as far as it counts.
	decide func(o Observation, record Record) *Step
}

// rules in the order in which they are asked. The last one always decides.
var rules = []rule{
	{"unreadable_lease_changes_nothing", unreadableLeaseChangesNothing},
	{"absent_lease_is_the_operators", absentLeaseIsTheOperators},
	{"leader_writes_its_record_again", leaderWritesItsRecordAgain},
	{"one_primary_at_a_time", onePrimaryAtATime},
	{"foreign_system_is_not_touched", foreignSystemIsNotTouched},
	{"only_marked_instance_creates_a_system", onlyMarkedInstanceCreatesASystem},
	{"holder_without_its_data_leads_nothing", holderWithoutItsDataLeadsNothing},
	{"later_data_is_kept", laterDataIsKept},
	{"empty_volume_is_cloned_into", emptyVolumeIsClonedInto},
	{"member_takes_its_next_step", memberTakesItsNextStep},
	{"living_leader_writes_its_own_record", livingLeaderWritesItsOwnRecord},
	{"all_volumes_must_report", allVolumesMustReport},
	{"system_that_exists_nowhere_needs_the_mark", systemThatExistsNowhereNeedsTheMark},
	{"one_system_only", oneSystemOnly},
	{"empty_volume_never_leads", emptyVolumeNeverLeads},
	{"position_must_be_known", positionMustBeKnown},
	{"most_advanced_leads", mostAdvancedLeads},
}

// Decide what this instance is to do now. It holds no state: the same observation gives the same step.
func Decide(o Observation) Step {
	record := o.counting()
	for _, rule := range rules {
		if step := rule.decide(o, record); step != nil {
			if step.Rule == "" {
				step.Rule = rule.name
			}
			return *step
		}
	}
	// mostAdvancedLeads decides always; this is for a list that somebody cut short.
	return Step{Verb: Rest, Rule: "none"}
}

// counting is the Lease's content as far as it counts: nothing where it was edited by hand, or is older than what
// this volume has seen (an etcd that was restored). Only a running leader may then write it again; without one it counts as deleted.
func (o Observation) counting() Record {
	record := o.Lease.Record
	if record.Revision < o.Own.Revision {
		return Record{}
	}
	if _, marked := record.Bootstraps(); marked && o.anybodyHasData() {
		// The operator set the mark without knowing of this data. Data wins: nothing may be created beside it.
		return Record{}
	}
	return record
}

// anybodyHasData tells whether this instance or one that answered holds, or ever held, a system.
func (o Observation) anybodyHasData() bool {
	for _, peer := range o.Peers {
		if peer.Volume.EverInitialised {
			return true
		}
	}
	return o.Own.EverInitialised
}

func wait(reason instanceapi.WaitReason, message string) *Step {
	return &Step{Verb: Wait, WaitReason: reason, Message: message}
}
