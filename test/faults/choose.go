package faults

import (
	"math/rand/v2"
	"slices"
)

// Choose one of these faults at random: alone, while the operator is down or as it is killed, in the middle of a switchover, or with another one.
func Choose(choice *rand.Rand, singles []Fault) Fault {
	one := singles[choice.IntN(len(singles))]
	switch draw := choice.IntN(20); {
	case draw < 8:
		return one
	case draw < 10 && orphans(one):
		return WithoutOperator(one)
	case draw < 12 && one.Name != "operator-stopped":
		return KillingOperator(one)
	case draw < 16:
		if during, possible := chooseStage(choice, one, singles); possible {
			return during
		}
	}
	others := slices.DeleteFunc(slices.Clone(singles), func(other Fault) bool { return !compatible(one, other) })
	if len(others) == 0 {
		return one
	}
	return Together(one, others[choice.IntN(len(others))])
}

// Untried are the faults alone, and those as which the operator is killed, that are not among those that were tried. A few hours of chance leave some out.
func Untried(singles []Fault, tried map[string]bool) []Fault {
	var all []Fault
	for _, one := range singles {
		all = append(all, one)
		if one.Name != "operator-stopped" {
			all = append(all, KillingOperator(one))
		}
	}
	return slices.DeleteFunc(all, func(f Fault) bool { return tried[f.Name] })
}

// orphans tells whether a fault can be made while the operator is down: what is asked of it would wait.
func orphans(one Fault) bool { return one.Needs == "" && one.Name != "operator-stopped" }

// chooseStage of a switchover for a fault to hit; false where there are no switchovers, or it can hit none. An operator that is to go
// while one is under way is killed.
func chooseStage(choice *rand.Rand, one Fault, singles []Fault) (during Fault, possible bool) {
	if one.Name == "operator-stopped" {
		one = operatorKilled()
	}
	if !among(singles, Named("switchover")) || !interrupts(one) {
		return Fault{}, false
	}
	if choice.IntN(2) == 0 {
		return LateSwitchover(one), true
	}
	return MidSwitchover(one), true
}

// compatible tells whether two faults can be made at the same moment. Each of a primary takes away what the other one
// would need, but for a process that dies over a volume that stalls; so do those of a standby. What is asked of Kubernetes needs its API, and connections need a primary.
func compatible(one, other Fault) bool {
	if dies := []string{"sigkill-postmaster", "sigkill-pid1"}; one.Name == "volume-stalled" && slices.Contains(dies, other.Name) {
		return true
	}
	for _, class := range [][]Fault{ofPrimary(), ofStandbys()} {
		if among(class, one) && among(class, other) {
			return false
		}
	}
	for _, pair := range [][2]Fault{{one, other}, {other, one}} {
		switch a, b := pair[0], pair[1]; a.Name {
		case b.Name:
			return false
		case "api-frozen":
			if slices.Contains([]string{"switchover", "delete-pod", "force-delete-pod", "volume-stalled", "primary-wiped", "standby-wiped", "operator-stopped"}, b.Name) {
				return false
			}
		case "primary-wiped":
			if b.Name == "standby-wiped" { // with them goes all that the third one had not confirmed
				return false
			}
		case "operator-stopped":
			if b.Needs != "" {
				return false
			}
		case "connections-exhausted":
			if b.Disrupts {
				return false
			}
		}
	}
	return true
}

func among(class []Fault, fault Fault) bool {
	return slices.ContainsFunc(class, func(f Fault) bool { return f.Name == fault.Name })
}
