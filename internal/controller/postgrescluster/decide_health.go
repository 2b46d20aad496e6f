package postgrescluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// patient is one instance that is looked at.
type patient struct {
	name string
	// pod is nil where there is none.
	pod *corev1.Pod
	// node of the pod: nil where the pod has none, or it was not asked for.
	node *corev1.Node
	// nodeGone: the pod's node does not exist.
	nodeGone bool
	instance contact.Instance
}

// diagnose says what keeps an instance from serving: nil where it serves, a *StalledError where a person must act, a
// *WaitError where it comes by itself.
func diagnose(p patient) error {
	if p.pod == nil {
		return reconcile.Wait(soon, v1alpha1.ReasonStarting, "instance %s has no pod yet", p.name)
	}
	if err := diagnosePod(p); err != nil {
		return err
	}
	if p.instance.Answers() {
		return diagnoseInstance(p)
	}
	if lost := nodeProblem(p); lost != "" {
		return reconcile.Stalled(v1alpha1.ReasonNodeLost,
			"instance %s does not answer, since %s. Nothing is discarded. Bring the node back; if it is lost for good with a volume that was bound to it, delete the volume claim and the pod of %s: a standby is then cloned anew, whereas the primary's data is lost",
			p.name, lost, p.name)
	}
	// That an instance begins to answer shows in nothing that is watched, until its pod is ready.
	return reconcile.Wait(soon, v1alpha1.ReasonStarting, "instance %s does not answer yet", p.name)
}

// diagnosePod is about what Kubernetes says of the pod.
func diagnosePod(p patient) error {
	if problem := unschedulable(p.pod); problem != "" {
		return reconcile.Stalled(v1alpha1.ReasonUnschedulable,
			"no node takes the pod %s: %s. Change spec.scheduling or spec.resources, or add a node; its volume may also be bound to a node that is gone", p.name, problem)
	}
	if problem := imagePullProblem(p.pod); problem != "" {
		return reconcile.Stalled(v1alpha1.ReasonImagePull,
			"instance %s: image cannot be pulled: %s. Correct spec.image or the Platform's catalogue, or spec.imagePullSecrets", p.name, problem)
	}
	return nil
}

// diagnoseInstance is about what the instance tells of itself.
func diagnoseInstance(p patient) error {
	status := p.instance.Status
	reasons := map[instanceapi.WaitReason]string{
		instanceapi.WaitDataMissing:   v1alpha1.ReasonDataMissing,
		instanceapi.WaitInitialise:    v1alpha1.ReasonCannotInitialise,
		instanceapi.WaitForeignSystem: v1alpha1.ReasonForeignSystem,
		instanceapi.WaitVersion:       v1alpha1.ReasonImageVersion,
		instanceapi.WaitLaterData:     v1alpha1.ReasonLaterData,
		instanceapi.WaitFollow:        v1alpha1.ReasonCannotFollow,
		instanceapi.WaitIrreparable:   v1alpha1.ReasonIrreparable,
	}
	// A standby that serves reads may have one of these too.
	if reason, stalled := reasons[status.WaitReason]; stalled {
		return reconcile.Stalled(reason, "instance %s: %s", p.name, status.Message)
	}
	if status.WaitReason == instanceapi.WaitVolumes {
		// Other instances' volumes are heard of by the instances themselves.
		return reconcile.Wait(soon, v1alpha1.ReasonVolumesMissing, "instance %s: %s", p.name, status.Message)
	}
	if status.State == instanceapi.StateFailed {
		// It is started again and again; that it comes up shows in its own state alone.
		return reconcile.Wait(soon, v1alpha1.ReasonInstanceUnready, "instance %s: %s", p.name, status.Message)
	}
	if !status.Ready {
		// The instance's own state is not watched.
		return reconcile.Wait(soon, v1alpha1.ReasonStarting, "instance %s: %s%s", p.name, status.State, colon(status.Message))
	}
	if !status.Leader && status.State != instanceapi.StateStreaming {
		// That it streams shows in its own state alone.
		return reconcile.Wait(soon, v1alpha1.ReasonStarting, "instance %s serves, but receives no WAL from a primary: %s%s", p.name, status.State, colon(status.Message))
	}
	if !podReady(p.pod) {
		// The pod's readiness is an event.
		return reconcile.Wait(0, v1alpha1.ReasonStarting, "instance %s serves; Kubernetes has not seen it yet", p.name)
	}
	return nil
}

func unschedulable(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return condition.Message
		}
	}
	return ""
}

// imagePullProblem of any of the pod's containers, "" where there is none.
func imagePullProblem(pod *corev1.Pod) string {
	for _, status := range append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
		waiting := status.State.Waiting
		if waiting == nil {
			continue
		}
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
			return fmt.Sprintf("%s: %s", waiting.Reason, waiting.Message)
		}
	}
	return ""
}

func nodeProblem(p patient) string {
	if p.nodeGone {
		return fmt.Sprintf("its node %s is gone", p.pod.Spec.NodeName)
	}
	if p.node == nil {
		return ""
	}
	for _, condition := range p.node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status != corev1.ConditionTrue {
			return fmt.Sprintf("its node %s is not ready", p.node.Name)
		}
	}
	return ""
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// imageOf the running container, with its digest where Kubernetes tells it.
func imageOf(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == desired.ContainerPostgres {
			if status.ImageID != "" {
				return status.Image + " (" + status.ImageID + ")"
			}
			return status.Image
		}
	}
	return ""
}
