package v1alpha1

// Condition types of a PostgresOperation.
const (
	// ConditionAccepted is True when the operation was begun, False when it was refused; it is Failed then, for the same reason. Unknown while it would
	// be refused for what may pass in a moment.
	ConditionAccepted = "Accepted"
	// ConditionRunning is True from the acceptance until the end.
	ConditionRunning = "Running"
	// ConditionSucceeded is True when it has reached what was asked for, else absent.
	ConditionSucceeded = "Succeeded"
	// ConditionFailed is True when it was refused or has ended without reaching it, else absent.
	ConditionFailed = "Failed"
)

// Reasons of an operation's conditions; Hibernated, NoPrimary and CannotFollow are the clusters' own.
const (
	// ReasonAccepted: it could be done safely when it was asked for.
	ReasonAccepted = "Accepted"
	// ReasonFinished: it has ended.
	ReasonFinished = "Finished"
	// ReasonDone: what was asked for is reached.
	ReasonDone = "Done"
	// ReasonHandingOver: the primary hands over.
	ReasonHandingOver = "HandingOver"
	// ReasonRestarting: an instance restarts.
	ReasonRestarting = "Restarting"
	// ReasonReinitializing: a standby is cloned.
	ReasonReinitializing = "Reinitializing"
	// ReasonPromoting: an instance takes the Lease without votes.
	ReasonPromoting = "Promoting"

	// ReasonRenewing: certificates are being issued anew.
	ReasonRenewing = "Renewing"
	// ReasonClusterUnmanaged: the cluster is left alone: the operation waits until it is managed again.
	ReasonClusterUnmanaged = "ClusterUnmanaged"

	// ReasonUnknownCluster: there is no such cluster, or not any more.
	ReasonUnknownCluster = "UnknownCluster"
	// ReasonUnknownInstance: the cluster has no such instance.
	ReasonUnknownInstance = "UnknownInstance"
	// ReasonOperationRunning: another operation runs on the cluster.
	ReasonOperationRunning = "OperationRunning"
	// ReasonAlreadyPrimary: the instance leads already.
	ReasonAlreadyPrimary = "AlreadyPrimary"
	// ReasonNotMember: the instance is not among the published members, and may lack acknowledged commits.
	ReasonNotMember = "NotMember"
	// ReasonLagging: the instance does not stream, or is too far behind.
	ReasonLagging = "Lagging"
	// ReasonNobodyEligible: no standby could take over now.
	ReasonNobodyEligible = "NobodyEligible"
	// ReasonNotStandby: the instance leads, and its data is what the others are copies of.
	ReasonNotStandby = "NotStandby"
	// ReasonNotSafe: too few members would be left for commits to be safe, or to go on.
	ReasonNotSafe = "NotSafe"
	// ReasonUnreachable: the instance does not answer.
	ReasonUnreachable = "Unreachable"
	// ReasonLeaderReachable: somebody leads; nobody is promoted beside them.
	ReasonLeaderReachable = "LeaderReachable"
	// ReasonVotesEnough: the instances can elect a primary without losing anything.
	ReasonVotesEnough = "VotesEnough"
	// ReasonNotSupported: the instance manager in the pod does not know how.
	ReasonNotSupported = "NotSupported"
	// ReasonRefused: the instance refuses, for a reason that its message tells.
	ReasonRefused = "Refused"
	// ReasonAnotherLeads: another instance has come to lead than the one asked for.
	ReasonAnotherLeads = "AnotherLeads"
	// ReasonTimedOut: what was asked for did not come about in time.
	ReasonTimedOut = "TimedOut"
)
