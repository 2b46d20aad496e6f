package postgresoperation

import "github.com/timonier-io/timonier/api/postgres/v1alpha1"

// decideSwitchover asks the leader once, and watches the Lease for another term.
func decideSwitchover(f facts) step {
	if f.over() {
		return f.takenOver(f.target())
	}
	leader := f.leader()
	switch {
	case f.status.RequestedAt != nil && f.late(f.status.RequestedAt, handoverWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "%s has not handed over within %s, and nothing is lost: it %s", f.status.From.Instance, handoverWithin, f.doing(f.status.From.Instance))
	case f.status.RequestedAt != nil:
		return f.wait("%s hands over", f.status.From.Instance)
	case f.late(f.status.StartedAt, askedWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "%s could not be asked within %s: it %s", f.status.From.Instance, askedWithin, f.doing(f.status.From.Instance))
	case leader == "":
		return f.wait("no instance takes writes now")
	}
	return f.ask(verbSwitchover, leader, f.target())
}

// takenOver waits until the leader of the new term takes writes, and compares it with who was asked for; "" for whoever it is.
func (f facts) takenOver(wanted string) step {
	holder := f.record.Holder
	f.status.To = &v1alpha1.OperationLeader{Instance: holder, Term: f.record.Term}
	found := f.instances[holder]
	switch {
	case holder != "" && found.Answers() && found.Status.Leader && found.Status.Ready && wanted != "" && wanted != holder:
		return f.fail(v1alpha1.ReasonAnotherLeads, "%s leads since term %d, not %s: it could not take over in time. Nothing is lost; ask again when it streams", holder, f.record.Term, wanted)
	case holder != "" && found.Answers() && found.Status.Leader && found.Status.Ready:
		return f.step(verbSucceed, v1alpha1.ReasonDone, "%s leads since term %d, in place of %s%s", holder, f.record.Term, orNobody(f.status.From.Instance), f.loss())
	case f.late(f.status.StartedAt, serveWithin):
		return f.fail(v1alpha1.ReasonTimedOut, "%s holds the Lease since term %d, and does not take writes after %s: it %s", orNobody(holder), f.record.Term, serveWithin, f.doing(holder))
	}
	return f.wait("%s takes over in term %d", orNobody(holder), f.record.Term)
}
