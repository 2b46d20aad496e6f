package election

// Steps that replace a copy's data, or a part of it.

// emptyVolumeIsCloned: as another member, since what the former one promised and held is gone with its disk.
func emptyVolumeIsCloned(m Member) *Step {
	switch {
	case !m.Empty:
		return nil
	case m.Lease.Holder == "" || m.holds():
		return &Step{Verb: Rest} // there is nobody to clone from
	}
	return &Step{Verb: Clone}
}

// brokenCopyIsMended before it is started: half of it is the holder's.
func brokenCopyIsMended(m Member) *Step {
	if !m.Broken {
		return nil
	}
	return mend(m)
}

// divergedCopyIsMended: rewound, so that it keeps what was acknowledged, and its incarnation with it.
func divergedCopyIsMended(m Member) *Step {
	if m.Attached || m.Lease.Holder == "" || m.holds() || !m.Replayed || !Diverged(m.Lease, m.Timeline, m.Position.At) {
		return nil
	}
	return mend(m)
}

// mend by rewinding; where that cannot be, by a clone. What a member holds counts for what was acknowledged, so that it is thrown away only after
// the leader has let the member go.
func mend(m Member) *Step {
	switch {
	case m.Lease.Holder == "" || m.holds():
		return &Step{Verb: Rest}
	case !m.Irreparable:
		return &Step{Verb: Rewind}
	case !m.Fresh:
		return &Step{Verb: ReadLease}
	case m.isMember():
		return &Step{Verb: Rest}
	}
	return &Step{Verb: Clone}
}

func (m Member) isMember() bool { return m.Lease.Quorum.Members[m.Incarnation] == m.Self }
