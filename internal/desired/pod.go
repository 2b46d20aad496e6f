package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/timonier-io/timonier/api/postgres/v1alpha1"
	"github.com/timonier-io/timonier/internal/naming"
)

// Names and paths within an instance's pod, which cmd/timonier-instance relies on.
const (
	ContainerPostgres = "postgres"
	ContainerInstall  = "install"

	pathProgram      = "/opt/timonier"
	pathRun          = "/run/timonier"
	pathData         = "/var/lib/timonier/data"
	pathWAL          = "/var/lib/timonier/wal"
	pathCertificates = "/etc/timonier/certificates"

	// installedProgram is where the init container puts the instance manager, and where it replaces itself.
	installedProgram = pathProgram + "/timonier-instance"
	// imageProgram is where the operator's image has it.
	imageProgram = "/timonier-instance"
)

// stopSeconds is how long an instance may take to stop: a fast stop with its checkpoint on a slow volume,
// then an immediate one. The instance manager knows it and does not wait for the kubelet's SIGKILL.
const stopSeconds = 90

// groupID owns the volumes; any UID of that group may use them.
const groupID = 10001

// sharedMemory for parallel queries: PostgreSQL's dynamic shared memory lives in /dev/shm, 64 MiB by default in a container.
const sharedMemory = "256Mi"

// PodInput is what an instance's pod depends on, beside the cluster.
type PodInput struct {
	Instance string
	// PostgresImage holds the programs of PostgreSQL.
	PostgresImage string
	// ManagerImage is the operator's own image, from which the instance manager is copied. It is left out of the hash:
	// a running instance manager replaces itself.
	ManagerImage string
	// PreferZones that no other instance is in. It is left out of the hash too: it counts when a pod is made, and is no reason to
	// make it again.
	PreferZones bool
}

// Pod of an instance. Its annotation naming.AnnotationPodHash tells whether a running pod still is what is wanted.
func Pod(c Cluster, in PodInput) *corev1ac.PodApplyConfiguration {
	spec := c.podSpec(in)
	if in.PreferZones {
		c.preferZones(spec)
	}
	return corev1ac.Pod(in.Instance, c.Namespace).
		WithLabels(c.labels(map[string]string{
			naming.LabelInstance:  in.Instance,
			naming.LabelComponent: ComponentInstance,
		})).
		WithAnnotations(c.annotations(map[string]string{naming.AnnotationPodHash: PodHash(c, in)})).
		WithOwnerReferences(c.owner()).
		WithSpec(spec)
}

// PodHash is the annotation of an instance's pod.
func PodHash(c Cluster, in PodInput) string {
	return hashOf(c.podSpec(PodInput{Instance: in.Instance, PostgresImage: in.PostgresImage}))
}

// hashOf all of a pod's spec.
func hashOf(spec *corev1ac.PodSpecApplyConfiguration) string {
	content, err := json.Marshal(spec)
	if err != nil {
		// Apply configurations are plain data: this cannot happen, and silence would roll every pod.
		panic(fmt.Sprintf("pod spec cannot be written as JSON: %v", err))
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:8])
}

func (c Cluster) podSpec(in PodInput) *corev1ac.PodSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithHostname(in.Instance).
		WithSubdomain(naming.PodsService(c.Name)).
		WithServiceAccountName(naming.ServiceAccount(c.Name)).
		WithAutomountServiceAccountToken(true).
		WithEnableServiceLinks(false).
		WithRestartPolicy(corev1.RestartPolicyAlways).
		WithTerminationGracePeriodSeconds(stopSeconds).
		WithSecurityContext(podSecurity()).
		WithInitContainers(corev1ac.Container().
			WithName(ContainerInstall).WithImage(in.ManagerImage).
			WithCommand(imageProgram, "install", installedProgram).
			WithSecurityContext(containerSecurity()).
			WithVolumeMounts(corev1ac.VolumeMount().WithName("program").WithMountPath(pathProgram))).
		WithContainers(c.postgresContainer(in)).
		WithVolumes(c.podVolumes(in.Instance)...)
	for _, secret := range c.Spec.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	c.schedule(spec)
	return spec
}

func (c Cluster) postgresContainer(in PodInput) *corev1ac.ContainerApplyConfiguration {
	mounts := []*corev1ac.VolumeMountApplyConfiguration{
		corev1ac.VolumeMount().WithName("data").WithMountPath(pathData),
		corev1ac.VolumeMount().WithName("program").WithMountPath(pathProgram),
		corev1ac.VolumeMount().WithName("run").WithMountPath(pathRun),
		corev1ac.VolumeMount().WithName("tmp").WithMountPath("/tmp"),
		corev1ac.VolumeMount().WithName("shm").WithMountPath("/dev/shm"),
		corev1ac.VolumeMount().WithName("certificates").WithMountPath(pathCertificates).WithReadOnly(true),
	}
	if c.Spec.Storage.WAL != nil {
		mounts = append(mounts, corev1ac.VolumeMount().WithName("wal").WithMountPath(pathWAL))
	}
	return corev1ac.Container().
		WithName(ContainerPostgres).WithImage(in.PostgresImage).
		WithCommand(installedProgram, "run").
		WithEnv(
			corev1ac.EnvVar().WithName("TIMONIER_CLUSTER").WithValue(c.Name),
			corev1ac.EnvVar().WithName("TIMONIER_NAMESPACE").WithValue(c.Namespace),
			corev1ac.EnvVar().WithName("TIMONIER_INSTANCE").WithValue(in.Instance),
			corev1ac.EnvVar().WithName("TIMONIER_POSTGRES_VERSION").WithValue(c.Spec.Version),
			fieldEnv("TIMONIER_POD_IP", "status.podIP"),
			fieldEnv("TIMONIER_NODE", "spec.nodeName"),
		).
		WithPorts(
			corev1ac.ContainerPort().WithName(naming.PortNamePostgres).WithContainerPort(naming.PortPostgres).WithProtocol(corev1.ProtocolTCP),
			corev1ac.ContainerPort().WithName("api").WithContainerPort(naming.PortAPI).WithProtocol(corev1.ProtocolTCP),
			corev1ac.ContainerPort().WithName("probes").WithContainerPort(naming.PortProbes).WithProtocol(corev1.ProtocolTCP),
		).
		WithLivenessProbe(probe("/livez", 10, 3, 5)).
		WithReadinessProbe(probe("/readyz", 1, 2, 2)).
		WithResources(resources(c.Spec.Resources)).
		WithSecurityContext(containerSecurity()).
		WithVolumeMounts(mounts...)
}

func fieldEnv(name, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValueFrom(corev1ac.EnvVarSource().
		WithFieldRef(corev1ac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(path)))
}

func probe(path string, period, failures, timeout int32) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().
		WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromInt32(naming.PortProbes)).WithScheme(corev1.URISchemeHTTP)).
		WithPeriodSeconds(period).WithFailureThreshold(failures).WithTimeoutSeconds(timeout).WithSuccessThreshold(1)
}

func resources(r v1alpha1.Resources) *corev1ac.ResourceRequirementsApplyConfiguration {
	requirements := corev1ac.ResourceRequirements()
	if r.Requests != nil {
		requirements.WithRequests(r.Requests)
	}
	if r.Limits != nil {
		requirements.WithLimits(r.Limits)
	}
	return requirements
}

func (c Cluster) podVolumes(instance string) []*corev1ac.VolumeApplyConfiguration {
	memory := func(size string) *corev1ac.EmptyDirVolumeSourceApplyConfiguration {
		return corev1ac.EmptyDirVolumeSource().WithMedium(corev1.StorageMediumMemory).WithSizeLimit(resource.MustParse(size))
	}
	claim := func(name string) *corev1ac.PersistentVolumeClaimVolumeSourceApplyConfiguration {
		return corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(name)
	}
	volumes := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName("data").WithPersistentVolumeClaim(claim(naming.DataVolume(instance))),
		corev1ac.Volume().WithName("program").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		// Keys are copied there with the permissions that PostgreSQL asks for: they stay in memory.
		corev1ac.Volume().WithName("run").WithEmptyDir(memory("16Mi")),
		corev1ac.Volume().WithName("tmp").WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		corev1ac.Volume().WithName("shm").WithEmptyDir(memory(sharedMemory)),
		corev1ac.Volume().WithName("certificates").WithSecret(corev1ac.SecretVolumeSource().
			WithSecretName(naming.Certificates(c.Name)).WithDefaultMode(0o440)),
	}
	if c.Spec.Storage.WAL != nil {
		volumes = append(volumes, corev1ac.Volume().WithName("wal").WithPersistentVolumeClaim(claim(naming.WALVolume(instance))))
	}
	return volumes
}

// podSecurity is what the restricted Pod Security Standard asks of a pod.
func podSecurity() *corev1ac.PodSecurityContextApplyConfiguration {
	return corev1ac.PodSecurityContext().
		WithRunAsNonRoot(true).WithFSGroup(groupID).WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
		WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))
}

// containerSecurity is what it asks of a container, and a read-only root file system.
func containerSecurity() *corev1ac.SecurityContextApplyConfiguration {
	return corev1ac.SecurityContext().
		WithRunAsNonRoot(true).WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).
		WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))
}

// ImageCheckPod runs a new image once, to ask what version of PostgreSQL is in it, before any running pod is
// stopped for it. The answer is the container's termination message.
func ImageCheckPod(c Cluster, in PodInput) *corev1ac.PodApplyConfiguration {
	mount := corev1ac.VolumeMount().WithName("program").WithMountPath(pathProgram)
	spec := corev1ac.PodSpec().
		WithRestartPolicy(corev1.RestartPolicyNever).
		WithAutomountServiceAccountToken(false).WithEnableServiceLinks(false).
		WithSecurityContext(podSecurity()).
		WithInitContainers(corev1ac.Container().WithName(ContainerInstall).WithImage(in.ManagerImage).
			WithCommand(imageProgram, "install", installedProgram).
			WithSecurityContext(containerSecurity()).WithVolumeMounts(mount)).
		WithContainers(corev1ac.Container().WithName(ContainerPostgres).WithImage(in.PostgresImage).
			WithCommand(installedProgram, "image-version", "--major", c.Spec.Version).
			WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
			WithSecurityContext(containerSecurity()).WithVolumeMounts(mount)).
		WithVolumes(corev1ac.Volume().WithName("program").WithEmptyDir(corev1ac.EmptyDirVolumeSource()))
	for _, secret := range c.Spec.ImagePullSecrets {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(secret.Name))
	}
	c.schedule(spec)
	return corev1ac.Pod(naming.ImageCheck(c.Name), c.Namespace).
		WithLabels(c.labels(map[string]string{naming.LabelComponent: ComponentImageCheck})).
		WithAnnotations(c.annotations(map[string]string{naming.AnnotationPodHash: hashOf(spec)})).
		WithOwnerReferences(c.owner()).WithSpec(spec)
}

func labelSelector(labels map[string]string) *metav1ac.LabelSelectorApplyConfiguration {
	return metav1ac.LabelSelector().WithMatchLabels(labels)
}

// PodMetadata is what may change on a running pod: labels and annotations. role is for information only, "" where none is known;
// hash is the one that the pod was made with, and stays.
func PodMetadata(c Cluster, instance, role, hash string) *corev1ac.PodApplyConfiguration {
	labels := map[string]string{naming.LabelInstance: instance, naming.LabelComponent: ComponentInstance}
	if role != "" {
		labels[naming.LabelRole] = role
	}
	return corev1ac.Pod(instance, c.Namespace).WithLabels(c.labels(labels)).
		WithAnnotations(c.annotations(map[string]string{naming.AnnotationPodHash: hash}))
}
