package postgrescluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/controller/handover"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/postgres"
	"github.com/timonier-io/timonier/internal/reconcile"
)

const (
	// soon is when to look again at what an instance does by itself: nothing tells of its end.
	soon = time.Second
	// configureWithin bounds a call in which an instance writes its configuration and waits for the reload.
	configureWithin = 10 * time.Second
	// maxConfigured bounds the configurations sent in one reconcile; more than there can be instances.
	maxConfigured = 32
)

// rollOut brings configuration and pods to what is wanted, one instance after the other.
func (r *Reconciler) rollOut(ctx context.Context, s *scope) error {
	configuration, problem := r.decideConfiguration(ctx, s)
	if configuration == nil {
		return problem
	}
	if err := r.takeSteps(ctx, s, *configuration); err != nil {
		return err
	}
	if problem != nil {
		return problem
	}
	return r.leftBehind(s, *configuration)
}

// leftBehind says which pods that are left alone are not as wanted: nothing is brought to them, by nobody.
func (r *Reconciler) leftBehind(s *scope, configuration instanceapi.Configuration) error {
	var left untouched
	for _, name := range s.names(s.members.run) {
		by := s.alone(kindPod, name)
		if by == "" {
			continue
		}
		switch member := r.factsOf(s, name, configuration); {
		case s.observed.pods[name] == nil:
			left.leave("pod "+name+" is not made", by)
		case member.replace:
			left.leave("pod "+name+" is not replaced, although the spec asks for another one", by)
		case member.answers && !member.configured:
			left.leave("instance "+name+" does not get its configuration", by)
		case member.answers && member.pending:
			left.leave("instance "+name+" is not restarted for what waits for that", by)
		}
	}
	return left.stalls()
}

// decideConfiguration is what instances are to have. Where the spec asks for something that is refused, the error
// says so, and the configuration is the one in force, for the instances that there are now.
func (r *Reconciler) decideConfiguration(ctx context.Context, s *scope) (*instanceapi.Configuration, error) {
	wanted := s.configuration()
	var problem error
	s.configured = true
	if problems := configurationProblems(wanted); len(problems) > 0 {
		problem = reconcile.Stalled(v1alpha1.ReasonInvalidSpec, "%s. The former values stay in force", joinProblems(problems))
	} else if s.rejected = rejection(wanted, s.observed.instances, s.cluster.Status.RejectedParameters); s.rejected != nil {
		problem = reconcile.Stalled(v1alpha1.ReasonParameterRejected,
			"spec.parameters or spec.hba: %s refused them: %s", s.rejected.Instance, s.rejected.Message)
	}
	if problem == nil {
		return &wanted, nil
	}
	former := r.inForce(ctx, s)
	if former == nil {
		return nil, problem
	}
	kept := completed(*former, writtenPart(former.Revision), wanted.Instances, wanted.Availability)
	return &kept, problem
}

// inForce is the configuration of the leader, else of any instance that has one and has not been given the
// refused one; nil where none answers.
func (r *Reconciler) inForce(ctx context.Context, s *scope) *instanceapi.Configuration {
	names := sortedKeys(s.observed.instances)
	if s.rejected != nil {
		names = append([]string{s.rejected.Instance}, names...)
	} else if leader := s.leader(); leader != "" {
		names = append([]string{leader}, names...)
	}
	for _, name := range names {
		instance := s.observed.instances[name]
		if !instance.Answers() || instance.Status.ConfigurationRevision == "" {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, contact.Within)
		configuration, err := instance.Client.InForce(ctx)
		cancel()
		if err == nil {
			return &configuration
		}
	}
	return nil
}

// takeSteps takes all steps that disturb nobody, and at most one that does.
func (r *Reconciler) takeSteps(ctx context.Context, s *scope, configuration instanceapi.Configuration) error {
	for range maxConfigured {
		step := decideRollout(r.memberFacts(s, configuration))
		if step.stops() && s.observed.operation != "" {
			// Its end is an event of its own, not of the cluster.
			return reconcile.Wait(soon, v1alpha1.ReasonRolling, "%s is next, when the operation %s has ended", step.instance, s.observed.operation)
		}
		switch step.verb {
		case verbNone:
			return nil
		case verbConfigure:
			if err := r.configure(ctx, s, step.instance, configuration); err != nil {
				return err
			}
		case verbWait:
			if by := s.alone(kindPod, step.waitsFor); by != "" && s.observed.pods[step.waitsFor] == nil {
				left := untouched{}
				left.leave(fmt.Sprintf("%s is next, when %s serves again, whose pod is not made", step.instance, step.waitsFor), by)
				return left.stalls()
			}
			return reconcile.Wait(soon, v1alpha1.ReasonRolling, "%s is next, when %s serves again", step.instance, step.waitsFor)
		case verbAwaitHeir:
			return reconcile.Wait(soon, v1alpha1.ReasonRolling, "%s is next, when a standby can take over from it", step.instance)
		case verbRestart:
			return r.restart(ctx, s, step.instance, configuration)
		case verbReplace:
			return r.replacePod(ctx, s, step.instance)
		case verbHandOver:
			return r.handOver(ctx, s, step, configuration)
		}
	}
	return nil
}

func (r *Reconciler) memberFacts(s *scope, configuration instanceapi.Configuration) []memberFacts {
	var members []memberFacts
	for _, name := range s.names(s.members.run) {
		member := r.factsOf(s, name, configuration)
		if s.alone(kindPod, name) != "" {
			// Nothing is brought to it; leftBehind says what. Others go on beside it, where it serves.
			member.replace, member.pending, member.configured = false, false, true
		}
		members = append(members, member)
	}
	return members
}

func (r *Reconciler) factsOf(s *scope, name string, configuration instanceapi.Configuration) memberFacts {
	pod, instance := s.observed.pods[name], s.observed.instances[name]
	if pod == nil {
		return memberFacts{name: name}
	}
	status := instance.Status
	member := memberFacts{
		name:       name,
		leads:      name == s.observed.record.Holder,
		answers:    instance.Answers() && status.State != instanceapi.StateStopping,
		configured: status.ConfigurationRevision == configuration.Revision,
		settled:    instance.Answers() && status.Ready && status.State != instanceapi.StateRestarting && pod.DeletionTimestamp.IsZero(),
		// While it is not known who leads, everybody is needed as they are.
		replace: pod.DeletionTimestamp.IsZero() && !s.members.hearing && pod.Annotations[naming.AnnotationPodHash] != r.podHash(s, name),
	}
	if !member.leads && !handover.StandsIn(s.observed.record, instance, name) {
		// It may not have replayed yet what its leader runs with, and so not know how low it may go.
		member.settled = false
	}
	member.pending = s.restartDue(name, configuration)
	if member.leads {
		member.heir, member.lowers = s.heir(configuration), s.lowers(configuration)
	}
	return member
}

// restartDue tells whether an instance is to restart for what the configuration changes, now rather than after its leader.
func (s *scope) restartDue(name string, configuration instanceapi.Configuration) bool {
	server := s.observed.instances[name].Status.Postgres
	if server == nil || len(server.PendingRestart) == 0 {
		return false
	}
	leader := s.leader()
	if leader == "" || leader == name {
		return true
	}
	wanted := postgres.DesiredStandbySensitive(configuration.Version, configuration.Parameters)
	return mayRestartBeforeLeader(s.observed.instances[leader].Status.Postgres.StandbySensitive, server.StandbySensitive, wanted)
}

func (r *Reconciler) configure(ctx context.Context, s *scope, name string, configuration instanceapi.Configuration) error {
	ctx, cancel := context.WithTimeout(ctx, configureWithin)
	defer cancel()
	found := s.observed.instances[name]
	status, err := found.Client.Configure(ctx, configuration)
	if refused, ok := instanceapi.Refused(err); ok && refused.Answer.Reason == "Rejected" {
		s.rejected = &v1alpha1.RejectedParameters{Revision: configuration.Revision, Instance: name, Message: reconcile.Brief(refused.Answer.Message)}
		return reconcile.Stalled(v1alpha1.ReasonParameterRejected,
			"spec.parameters or spec.hba: %s refused them: %s", name, refused.Answer.Message)
	}
	if err != nil {
		return fmt.Errorf("configuring %s: %w", name, unlessBusy(err))
	}
	if status.ConfigurationRevision != configuration.Revision {
		// It has taken it and is busy; nothing tells when it is done.
		return reconcile.Wait(soon, v1alpha1.ReasonConfiguring, "%s applies its configuration", name)
	}
	found.Status = status
	s.observed.instances[name] = found
	return nil
}

func (r *Reconciler) restart(ctx context.Context, s *scope, name string, configuration instanceapi.Configuration) error {
	instance := s.observed.instances[name]
	ctx, cancel := context.WithTimeout(ctx, configureWithin)
	defer cancel()
	if _, err := instance.Client.Restart(ctx, instanceapi.RestartRequest{Revision: configuration.Revision}); err != nil {
		return fmt.Errorf("restarting %s: %w", name, unlessBusy(err))
	}
	s.note(fmt.Sprintf("%s restarts for %v", name, instance.Status.Postgres.PendingRestart), v1alpha1.ReasonConfiguring)
	// The end of a restart shows in the instance's own status alone.
	return reconcile.Wait(soon, v1alpha1.ReasonConfiguring, "%s restarts for %v", name, instance.Status.Postgres.PendingRestart)
}

// replacePod deletes a pod that is not what is wanted any more; the next reconcile makes the new one.
func (r *Reconciler) replacePod(ctx context.Context, s *scope, name string) error {
	if err := r.mayReplace(ctx, s, name); err != nil {
		return err
	}
	pod := s.observed.pods[name]
	err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("replacing pod %s: %w", name, err)
	}
	s.note(fmt.Sprintf("pod %s is replaced, since the spec asks for another one", name), v1alpha1.ReasonRolling)
	// The pod's going is an event.
	return reconcile.Wait(0, v1alpha1.ReasonRolling, "pod %s is being replaced", name)
}

// mayReplace a pod once it is known that its new image holds the wanted version. A pod that keeps its image need not wait: where
// none ever ran, as when no node took them, there is nobody to ask.
func (r *Reconciler) mayReplace(ctx context.Context, s *scope, name string) error {
	if s.withheld != nil {
		return s.withheld
	}
	if s.checked == nil && postgresImage(s.observed.pods[name]) != s.image {
		// checkImage has said why; its pod's end is an event.
		return reconcile.Wait(0, v1alpha1.ReasonRolling, "%s is replaced when the image %s is known to hold PostgreSQL %s", name, s.image, s.cluster.Spec.Version)
	}
	return r.tryPod(ctx, s, name)
}

// tryPod asks whether the new pod would be taken, before the present one is stopped for it: by the API server, and, for the one
// that leads, by a node. (A standby that finds none leaves the others serving, and lets an autoscaler see what is missing.) A
// quota counts the present pod too, so what it says does not count.
func (r *Reconciler) tryPod(ctx context.Context, s *scope, name string) error {
	pod := &corev1.Pod{}
	err := r.applier().Try(ctx, desired.Pod(s.desired, r.podInput(s, name)), pod)
	switch {
	case err == nil, strings.Contains(err.Error(), "exceeded quota"):
	case reconcile.LacksRight(err):
		return fmt.Errorf("trying the new pod of %s: %w", name, err)
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return reconcile.Stalled(v1alpha1.ReasonInvalidSpec,
			"Kubernetes would refuse the new pod of %s: %v. The present one goes on; change what it names in the spec, or the limits or policy of the namespace", name, err)
	default:
		return fmt.Errorf("trying the new pod of %s: %w", name, err)
	}
	if s.leader() != name {
		return nil
	}
	return r.placeFor(ctx, s, name, pod)
}
