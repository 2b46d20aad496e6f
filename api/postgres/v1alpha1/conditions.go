package v1alpha1

// Condition types of a PostgresCluster. Conditions are its only state.
const (
	// ConditionReady is True when the spec is reached, Unknown while nothing was observed yet.
	ConditionReady = "Ready"
	// ConditionAvailable is True when writes through `<cluster>-rw` work.
	ConditionAvailable = "Available"
	// ConditionReconciling is True while the controller works towards the spec, else absent (kstatus).
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when a person must act, else absent (kstatus).
	ConditionStalled = "Stalled"
	// ConditionDegraded is True when the cluster serves, but not with all that was asked for, and does not heal by itself.
	ConditionDegraded = "Degraded"
	// ConditionManaged is True while Timonier steers the cluster, False while it does not.
	ConditionManaged = "Managed"
	// ConditionQuarantined is True while a phase of the work on the cluster is suspended since it failed too often, else absent.
	ConditionQuarantined = "Quarantined"
	// ConditionRemovePending is True while the cluster is being taken away, or waits for the confirmation of that; else absent.
	ConditionRemovePending = "RemovePending"
	// ConditionCertificatesExpire is True while a certificate is past the time at which it is renewed, and nothing renews it; else absent.
	ConditionCertificatesExpire = "CertificatesExpire"
	// ConditionSynchronous is True when each commit waits for as many standbys as spec.availability asks for.
	ConditionSynchronous = "Synchronous"
)

// Reasons of conditions; an event has the reason of the condition that it tells of, or one of the last group.
const (
	// ReasonReady: all is as asked.
	ReasonReady = "Ready"
	// ReasonNotObserved: the controller has not looked yet.
	ReasonNotObserved = "NotObserved"
	// ReasonHibernated: instances is 0; volumes are kept.
	ReasonHibernated = "Hibernated"
	// ReasonCreating: the first instance is being created.
	ReasonCreating = "Creating"
	// ReasonScaling: instances are being added or removed.
	ReasonScaling = "Scaling"
	// ReasonStarting: instances exist and are not all ready.
	ReasonStarting = "Starting"
	// ReasonRolling: pods are being replaced, standbys first.
	ReasonRolling = "Rolling"
	// ReasonConfiguring: parameters are being applied.
	ReasonConfiguring = "Configuring"
	// ReasonGrowing: volumes are growing.
	ReasonGrowing = "Growing"
	// ReasonDeleting: the cluster is being deleted.
	ReasonDeleting = "Deleting"
	// ReasonRecovering: retained volumes were found and it is being decided who leads.
	ReasonRecovering = "Recovering"
	// ReasonWriting: the primary takes writes.
	ReasonWriting = "Writing"
	// ReasonNoPrimary: no instance takes writes.
	ReasonNoPrimary = "NoPrimary"
	// ReasonMet: a commit waits for as many standbys as asked for, and they are there.
	ReasonMet = "Met"
	// ReasonAdjusting: the primary is changing for whom a commit waits, step by step.
	ReasonAdjusting = "Adjusting"
	// ReasonAsynchronous: a commit waits for nobody, as asked for.
	ReasonAsynchronous = "Asynchronous"
	// ReasonSingleInstance: there is one instance, and nobody to wait for.
	ReasonSingleInstance = "SingleInstance"
	// ReasonTooFewStandbys: fewer standbys stream than a commit is to wait for; with durability Required commits wait for them.
	ReasonTooFewStandbys = "TooFewStandbys"
	// ReasonInstanceUnready: an instance does not serve and was not expected to stop.
	ReasonInstanceUnready = "InstanceUnready"
	// ReasonNodeLost: an instance's node is gone with the volume that is bound to it.
	ReasonNodeLost = "NodeLost"
	// ReasonUnschedulable: no node takes a pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonImagePull: an image cannot be pulled.
	ReasonImagePull = "ImagePullFailed"
	// ReasonImageVersion: the image holds another version of PostgreSQL than asked for.
	ReasonImageVersion = "ImageVersionMismatch"
	// ReasonImageUnknown: no image is known for the version.
	ReasonImageUnknown = "ImageUnknown"
	// ReasonNameTaken: a child's name is taken by an object that is not ours.
	ReasonNameTaken = "NameTaken"
	// ReasonDataMissing: an instance that must have data has an empty volume; nothing is created in its place.
	ReasonDataMissing = "DataMissing"
	// ReasonLaterData: an instance has data of a later term than the Lease's; nothing is done with it.
	ReasonLaterData = "LaterData"
	// ReasonCannotFollow: a standby's leader refuses it, and cloning it again did not help.
	ReasonCannotFollow = "CannotFollow"
	// ReasonCannotInitialise: initdb fails again and again on the first instance; it is tried on.
	ReasonCannotInitialise = "CannotInitialise"
	// ReasonManaged: Timonier steers the cluster.
	ReasonManaged = "Managed"
	// ReasonUnmanaged: hands off, as the spec, the Platform or an override asks.
	ReasonUnmanaged = "Unmanaged"
	// ReasonDriftReported: the cluster was handed back, and what differs is told; resumePolicy Report keeps it from being put back.
	ReasonDriftReported = "DriftReported"
	// ReasonOperatorNewer: it is left alone and was managed last by an operator of an older minor or major version, so that this one does not take it over.
	ReasonOperatorNewer = "OperatorNewer"
	// ReasonRemoving: pods, services and all else are being taken away.
	ReasonRemoving = "Removing"
	// ReasonRemoved: all is taken away that was to go.
	ReasonRemoved = "Removed"
	// ReasonConfirmationMissing: the cluster is to be removed, and removalConfirmation does not have its name yet.
	ReasonConfirmationMissing = "ConfirmationMissing"
	// ReasonRetriesExhausted: a phase failed too often, and is in quarantine.
	ReasonRetriesExhausted = "RetriesExhausted"
	// ReasonPanicked: a phase panicked several times, and is in quarantine.
	ReasonPanicked = "Panicked"
	// ReasonLeftAlone: an override of the Platform leaves a child alone from now on (an event).
	ReasonLeftAlone = "LeftAlone"
	// ReasonHandsOff: something is missing or broken, and is not mended, since the cluster is left alone.
	ReasonHandsOff = "HandsOff"
	// ReasonCertificatesExpire: certificates expire soon, and are not renewed by themselves, since the cluster or their Secret is left alone.
	ReasonCertificatesExpire = "CertificatesExpire"
	// ReasonIrreparable: a member's copy can neither be used nor repaired, and too few others are there for it to be replaced.
	ReasonIrreparable = "Irreparable"
	// ReasonVolumesMissing: not all volumes that the cluster had have reported.
	ReasonVolumesMissing = "VolumesMissing"
	// ReasonStorageClass: a storage class is missing, or does not let volumes grow.
	ReasonStorageClass = "StorageClassUnusable"
	// ReasonInvalidSpec: a field holds something that cannot be done; the message names it.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonParameterRejected: PostgreSQL refused a parameter; the former values are in force.
	ReasonParameterRejected = "ParameterRejected"
	// ReasonSecretMissing: a Secret that the spec names is missing or lacks its key.
	ReasonSecretMissing = "SecretMissing"
	// ReasonAccessFailed: a role or database could not be made as asked.
	ReasonAccessFailed = "AccessFailed"
	// ReasonRetrying: something failed and is tried again.
	ReasonRetrying = "Retrying"
	// ReasonForeignSystem: the identifier of the PostgreSQL system is not the one recorded.
	ReasonForeignSystem = "ForeignSystem"
)

// Reasons of events alone: what was done or seen, and is no state.
const (
	// ReasonCertificates: a certificate or authority was made, renewed or repaired.
	ReasonCertificates = "Certificates"
	// ReasonLeaseIgnored: the content of the Lease cannot be read; it counts as absent until the leader writes its own again.
	ReasonLeaseIgnored = "LeaseIgnored"
	// ReasonReleased: what was in quarantine is tried again.
	ReasonReleased = "Released"
	// ReasonRecovered: what was in quarantine succeeded.
	ReasonRecovered = "Recovered"
	// ReasonTakenOver: an operator of another patch version goes on with what the former one left alone.
	ReasonTakenOver = "TakenOver"
	// ReasonHandedBack: the cluster, or a child of it, is handed back; the message has what differs and is put back next.
	ReasonHandedBack = "HandedBack"
	// ReasonFailover: another instance leads, since the former one was lost.
	ReasonFailover = "Failover"
	// ReasonSwitchover: another instance leads, to which the former one handed over.
	ReasonSwitchover = "Switchover"
	// ReasonCommitWaitsCancelled: commits were returned before their standbys had them; a failover may take them back.
	ReasonCommitWaitsCancelled = "CommitWaitsCancelled"
)
