package postgrescluster

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/controller/contact"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/reconcile"
)

func servingPatient(change func(*patient)) patient {
	p := patient{
		name: "c-1",
		pod: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "c-1"},
			Spec:       corev1.PodSpec{NodeName: "n"},
			Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
		},
		instance: contact.Instance{
			Client: instanceapi.NewClient("", nil),
			Status: instanceapi.Status{State: instanceapi.StateRunning, Ready: true, Leader: true},
		},
	}
	if change != nil {
		change(&p)
	}
	return p
}

func silent(p *patient) { p.instance = contact.Instance{Err: errors.New("timeout")} }

func waitsFor(reason instanceapi.WaitReason) func(*patient) {
	return func(p *patient) {
		p.instance.Status = instanceapi.Status{State: instanceapi.StateWaiting, WaitReason: reason, Message: "told"}
	}
}

func nodeThat(status corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}}}
}

func TestDiagnoseSaysWhatKeepsAnInstanceFromServing(t *testing.T) {
	for name, tc := range map[string]struct {
		patient patient
		// stalled and waits are the reason; both "" for an instance that serves.
		stalled, waits string
	}{
		"one that serves":              {servingPatient(nil), "", ""},
		"no pod yet":                   {patient{name: "c-1"}, "", v1alpha1.ReasonStarting},
		"an answer is late":            {servingPatient(silent), "", v1alpha1.ReasonStarting},
		"an answer is late, node well": {servingPatient(func(p *patient) { silent(p); p.node = nodeThat(corev1.ConditionTrue) }), "", v1alpha1.ReasonStarting},
		"the node is lost":             {servingPatient(func(p *patient) { silent(p); p.node = nodeThat(corev1.ConditionUnknown) }), v1alpha1.ReasonNodeLost, ""},
		"the node was removed":         {servingPatient(func(p *patient) { silent(p); p.nodeGone = true }), v1alpha1.ReasonNodeLost, ""},
		"the data is missing":          {servingPatient(waitsFor(instanceapi.WaitDataMissing)), v1alpha1.ReasonDataMissing, ""},
		"initdb fails":                 {servingPatient(waitsFor(instanceapi.WaitInitialise)), v1alpha1.ReasonCannotInitialise, ""},
		"the system is another":        {servingPatient(waitsFor(instanceapi.WaitForeignSystem)), v1alpha1.ReasonForeignSystem, ""},
		"its copy is of no use":        {servingPatient(waitsFor(instanceapi.WaitIrreparable)), v1alpha1.ReasonIrreparable, ""},
		"the programs are another's":   {servingPatient(waitsFor(instanceapi.WaitVersion)), v1alpha1.ReasonImageVersion, ""},
		"other volumes are not heard":  {servingPatient(waitsFor(instanceapi.WaitVolumes)), "", v1alpha1.ReasonVolumesMissing},
		"postgres ends again and again": {servingPatient(func(p *patient) {
			p.instance.Status = instanceapi.Status{State: instanceapi.StateFailed, Message: "PostgreSQL ended by itself: told"}
		}), "", v1alpha1.ReasonInstanceUnready},
		"data of a later term is kept by a standby that serves": {servingPatient(func(p *patient) {
			p.instance.Status = instanceapi.Status{State: instanceapi.StateFollowing, Ready: true, WaitReason: instanceapi.WaitLaterData}
		}), v1alpha1.ReasonLaterData, ""},
		"a standby serves and does not replicate": {servingPatient(func(p *patient) {
			p.instance.Status = instanceapi.Status{State: instanceapi.StateFollowing, Ready: true}
		}), "", v1alpha1.ReasonStarting},
		"a standby was cloned in vain": {servingPatient(func(p *patient) {
			p.instance.Status = instanceapi.Status{State: instanceapi.StateFollowing, Ready: true, WaitReason: instanceapi.WaitFollow}
		}), v1alpha1.ReasonCannotFollow, ""},
		"a standby that streams": {servingPatient(func(p *patient) {
			p.instance.Status = instanceapi.Status{State: instanceapi.StateStreaming, Ready: true}
		}), "", ""},
		"nobody leads yet":               {servingPatient(waitsFor(instanceapi.WaitLeader)), "", v1alpha1.ReasonStarting},
		"Kubernetes has not seen it yet": {servingPatient(func(p *patient) { p.pod.Status.Conditions = nil }), "", v1alpha1.ReasonStarting},
		"no node takes it": {servingPatient(func(p *patient) {
			p.pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes"}}
		}), v1alpha1.ReasonUnschedulable, ""},
		"its image cannot be pulled": {servingPatient(func(p *patient) {
			p.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
		}), v1alpha1.ReasonImagePull, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := diagnose(tc.patient)
			var stalled *reconcile.StalledError
			var wait *reconcile.WaitError
			errors.As(err, &stalled)
			errors.As(err, &wait)
			if got := reasonOf(stalled, nil); got != tc.stalled {
				t.Errorf("stalled = %q, want %q (%v)", got, tc.stalled, err)
			}
			if got := reasonOf(nil, wait); got != tc.waits {
				t.Errorf("waits = %q, want %q (%v)", got, tc.waits, err)
			}
			if err != nil && !strings.Contains(err.Error(), "c-1") {
				t.Errorf("the message does not name the instance: %v", err)
			}
		})
	}
}

func reasonOf(stalled *reconcile.StalledError, wait *reconcile.WaitError) string {
	switch {
	case stalled != nil:
		return stalled.Reason
	case wait != nil:
		return wait.Reason
	default:
		return ""
	}
}
