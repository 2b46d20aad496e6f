package postgrescluster

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/desired"
	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/reconcile"
)

// instanceStatuses of all instances that are to run or have a pod.
func (s *scope) instanceStatuses() []v1alpha1.InstanceStatus {
	names := map[string]bool{}
	for _, name := range s.names(s.members.run) {
		names[name] = true
	}
	for name := range s.observed.pods {
		names[name] = true
	}
	var statuses []v1alpha1.InstanceStatus
	for _, name := range sortedKeys(names) {
		statuses = append(statuses, s.instanceStatus(name))
	}
	return statuses
}

func (s *scope) instanceStatus(name string) v1alpha1.InstanceStatus {
	status := v1alpha1.InstanceStatus{Name: name, Role: v1alpha1.RoleNone, State: "Pending"}
	if claim := s.observed.claims[naming.DataVolume(name)]; claim != nil {
		if size, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok {
			status.VolumeSize = &size
		}
	}
	pod := s.observed.pods[name]
	if pod == nil {
		return status
	}
	status.Node, status.Image, status.Ready = pod.Spec.NodeName, imageOf(pod), podReady(pod)
	status.Restarts, status.CreatedAt = restartsOf(pod), &pod.CreationTimestamp
	instance := s.observed.instances[name]
	if !instance.Answers() {
		if pod.Status.PodIP != "" {
			status.State = "Unreachable"
			if !status.Ready {
				status.State = "Starting"
			}
		}
		return status
	}
	told := instance.Status
	status.State, status.Message = string(told.State), reconcile.Brief(told.Message)
	status.Ready = status.Ready && told.Ready
	if told.Postgres == nil {
		return status
	}
	status.Role = v1alpha1.RolePrimary
	if told.Postgres.InRecovery {
		status.Role = v1alpha1.RoleStandby
		status.LagBytes = s.lagOf(name)
	}
	status.Timeline, status.Position = told.Postgres.Timeline, told.Postgres.Position
	status.PendingRestart = told.Postgres.PendingRestart
	return status
}

// restartsOf the container that runs PostgreSQL.
func restartsOf(pod *corev1.Pod) int32 {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == desired.ContainerPostgres {
			return status.RestartCount
		}
	}
	return 0
}

// lagOf a standby as its leader sees it; nil where it does not stream.
func (s *scope) lagOf(name string) *int64 {
	leader := s.leader()
	if leader == "" {
		return nil
	}
	for _, replica := range s.observed.instances[leader].Status.Postgres.Replicas {
		if replica.Instance == name {
			return &replica.LagBytes
		}
	}
	return nil
}

func readyInstances(instances []v1alpha1.InstanceStatus) int {
	ready := 0
	for _, instance := range instances {
		if instance.Ready {
			ready++
		}
	}
	return ready
}

func (s *scope) loadBalancers() v1alpha1.LoadBalancers {
	return v1alpha1.LoadBalancers{
		Primary:  s.loadBalancerAddresses(naming.PrimaryService(s.cluster.Name)),
		Replicas: s.loadBalancerAddresses(naming.ReplicaService(s.cluster.Name)),
	}
}

func objectStatuses(reports []instanceapi.ObjectReport) []v1alpha1.ObjectStatus {
	var statuses []v1alpha1.ObjectStatus
	for _, report := range reports {
		statuses = append(statuses, v1alpha1.ObjectStatus{Name: report.Name, State: string(report.State), Message: reconcile.Brief(report.Message)})
	}
	return statuses
}
