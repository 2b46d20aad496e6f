package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/test/workload"
)

// Target is the cluster at the moment of a fault: who led then, and who ran where.
type Target struct {
	*Bed
	Before Leadership
	// Primary and Standbys are names of instances, and of their pods. Standbys are sorted.
	Primary  string
	Standbys []string
	// Pods by instance, as they were.
	Pods map[string]*corev1.Pod
	// Entry is the configuration with which clients connect.
	Entry *pgx.ConnConfig
	// Switchover is the name of the PostgresOperation that asked for one; "" for none.
	Switchover string
	// Stage of that switchover when the fault was in force, where it was to hit one.
	Stage string
	// Missed: it was another one than that.
	Missed bool
	// load that clients make; nil before there is one.
	load *workload.Load
	// reader of the primary from within the network of its pod, where the fault lets it be read from; nil for none.
	reader  *reader
	network *os.File

	mutex sync.Mutex
	heals []func(context.Context) error
}

// aim at the cluster as it is now, with clients that enter by a node that the fault leaves alone.
func (b *Bed) aim(ctx context.Context, fault Fault) (*Target, error) {
	t := &Target{Bed: b}
	var err error
	if t.Before, err = b.Leadership(ctx); err != nil {
		return nil, err
	}
	if t.Pods, err = b.pods(ctx); err != nil {
		return nil, err
	}
	t.Primary = t.Before.Holder
	if t.Pods[t.Primary] == nil {
		return nil, fmt.Errorf("the primary is %q, which has no pod", t.Primary)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Pods)) {
		if name != t.Primary {
			t.Standbys = append(t.Standbys, name)
		}
	}
	if len(t.Standbys) != b.instances()-1 {
		return nil, fmt.Errorf("there are %d standbys", len(t.Standbys))
	}
	t.Entry, err = t.entry(ctx, fault.hits(t))
	return t, err
}

// lookAgain at the Lease right before the fault. Nobody else may lead by then.
func (t *Target) lookAgain(ctx context.Context) error {
	now, err := t.Leadership(ctx)
	if err == nil && (now.Holder != t.Primary || now.Term != t.Before.Term) {
		err = fmt.Errorf("%s led in term %d, and %s leads in term %d", t.Primary, t.Before.Term, now.Holder, now.Term)
	}
	t.Before = now
	return err
}

// Node on which an instance ran.
func (t *Target) Node(instance string) string { return t.Pods[instance].Spec.NodeName }

// Claim of an instance's data volume, as the local cluster names it.
func (t *Target) Claim(instance string) string {
	return t.Namespace + "/" + naming.DataVolume(instance)
}

// OnHeal has something undone when the fault is healed, the last first.
func (t *Target) OnHeal(undo func(context.Context) error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.heals = append(t.heals, undo)
}

// heal undoes whatever was done; all of it is tried. A second call does nothing.
func (t *Target) heal(ctx context.Context) error {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var errs []error
	for _, undo := range slices.Backward(t.heals) {
		errs = append(errs, undo(ctx))
	}
	t.heals = nil
	return errors.Join(errs...)
}

// entry by the Service `<cluster>-rw` on a node that is none of these; of those left, one that has a standby, or else the primary, where there is one.
func (t *Target) entry(ctx context.Context, avoid []string) (*pgx.ConnConfig, error) {
	candidates := append(standbyNodes(t), t.Node(t.Primary))
	all := &corev1.NodeList{}
	if err := t.api.List(ctx, all); err != nil {
		return nil, err
	}
	for i := range all.Items {
		candidates = append(candidates, all.Items[i].Name)
	}
	node := ""
	for _, candidate := range candidates {
		if node == "" && !slices.Contains(avoid, candidate) {
			node = candidate
		}
	}
	if node == "" {
		return nil, fmt.Errorf("no node is left for clients to enter by: %v are hit", avoid)
	}
	address, err := t.nodeAddress(ctx, node)
	if err != nil {
		return nil, err
	}
	service, secret := &corev1.Service{}, &corev1.Secret{}
	if err := t.find(ctx, naming.PrimaryService(t.Cluster), service); err != nil {
		return nil, err
	}
	if err := t.find(ctx, naming.RoleSecret(t.Cluster, naming.DefaultRole), secret); err != nil {
		return nil, err
	}
	if len(service.Spec.Ports) == 0 || service.Spec.Ports[0].NodePort == 0 {
		return nil, fmt.Errorf("there is no port on nodes for Service %s", service.Name)
	}
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port = address, uint16(service.Spec.Ports[0].NodePort)
	config.User, config.Password, config.Database = string(secret.Data["username"]), string(secret.Data["password"]), string(secret.Data["dbname"])
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		return nil, errors.New("the Secret has no certificate in ca.crt")
	}
	config.TLSConfig = &tls.Config{RootCAs: authorities, ServerName: naming.ServiceHost(service.Name, t.Namespace), MinVersion: tls.VersionTLS12}
	config.Fallbacks = nil
	return config, nil
}

// leadsToPrimary tells whether whoever enters now comes to the primary. The proxy of a node that was cut off by the fault before needs a while until it hears
// of where that is: it still waits on a connection to the API server that is dead.
func (t *Target) leadsToPrimary(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, t.Entry)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	standby := false
	if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return err
	}
	if standby {
		return fmt.Errorf("the Service leads to a standby by %s", t.Entry.Host)
	}
	return nil
}

func (k *Kubernetes) nodeAddress(ctx context.Context, name string) (string, error) {
	node := &corev1.Node{}
	if err := k.api.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		return "", err
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address, nil
		}
	}
	return "", fmt.Errorf("node %s has no address", name)
}
