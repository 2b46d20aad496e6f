//go:build integration

package instance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/timonier-io/timonier/internal/pki"
)

// Tokens that the API server knows.
const (
	adminToken    = "admin-of-the-test"
	instanceToken = "instance-of-the-test"
	instanceUser  = "instance"
)

// startPatience with the API server: the machine may be busy.
const startPatience = 2 * time.Minute

// apiServer is a real one, with RBAC, on the test network's bridge.
type apiServer struct {
	kubernetes kubernetes.Interface
	caFile     string
	processes  []*exec.Cmd
}

func startAPIServer(programs, directory string) (*apiServer, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	s := &apiServer{caFile: filepath.Join(directory, "ca.crt")}
	if err := s.writeSecrets(directory); err != nil {
		return nil, err
	}
	const etcdURL = "http://127.0.0.1:22379"
	err := s.run(filepath.Join(programs, "etcd"), directory, "--data-dir="+filepath.Join(directory, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL, "--listen-peer-urls=http://127.0.0.1:22380")
	if err != nil {
		return nil, err
	}
	err = s.run(filepath.Join(programs, "kube-apiserver"), directory, "--etcd-servers="+etcdURL,
		"--bind-address="+bridgeAddress, "--secure-port="+strconv.Itoa(apiPort),
		"--tls-cert-file="+filepath.Join(directory, "server.crt"), "--tls-private-key-file="+filepath.Join(directory, "server.key"),
		"--token-auth-file="+filepath.Join(directory, "tokens"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://test", "--service-account-key-file="+filepath.Join(directory, "sa.key"),
		"--service-account-signing-key-file="+filepath.Join(directory, "sa.key"),
		"--service-cluster-ip-range=10.213.0.0/24", "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none")
	if err != nil {
		return nil, err
	}
	s.kubernetes, err = kubernetes.NewForConfig(&rest.Config{
		Host: "https://" + net.JoinHostPort(bridgeAddress, strconv.Itoa(apiPort)), BearerToken: adminToken,
		TLSClientConfig: rest.TLSClientConfig{CAFile: s.caFile}, QPS: 1000, Burst: 1000,
	})
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(startPatience); time.Now().Before(end); {
		if _, err = s.kubernetes.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(context.Background()); err == nil {
			return s, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	log, _ := os.ReadFile(filepath.Join(directory, "kube-apiserver.log"))
	return nil, fmt.Errorf("the API server did not become ready: %w\n%s", err, log)
}

// askedForLeases is how often somebody got or listed Leases, watches left out.
func (s *apiServer) askedForLeases(t *testing.T) (times float64) {
	t.Helper()
	text, err := s.kubernetes.Discovery().RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	values, err := parsed(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for series, value := range values {
		read := strings.Contains(series, `verb="GET"`) || strings.Contains(series, `verb="LIST"`)
		if strings.HasPrefix(series, "apiserver_request_total{") && strings.Contains(series, `resource="leases"`) && read {
			times += value
		}
	}
	return times
}

func (s *apiServer) writeSecrets(directory string) error {
	now := time.Now()
	authority, err := pki.Generate(now, rand.Reader, pki.Identity{Kind: pki.KindPeer, Namespace: "test", Cluster: "api"}, time.Hour*24)
	if err != nil {
		return err
	}
	leaf, err := authority.Issue(now, rand.Reader, pki.ServerRequest("api", []string{bridgeAddress}, time.Hour*24))
	if err != nil {
		return err
	}
	serverKey, err := pki.EncodeKey(leaf.Key)
	if err != nil {
		return err
	}
	accountKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	tokens := fmt.Sprintf("%s,admin,admin,system:masters\n%s,%s,%s\n", adminToken, instanceToken, instanceUser, instanceUser)
	return errors.Join(
		os.WriteFile(s.caFile, pki.EncodeCertificates(authority.Certificate), 0o644),
		os.WriteFile(filepath.Join(directory, "server.crt"), pki.EncodeCertificates(leaf.Certificate), 0o644),
		os.WriteFile(filepath.Join(directory, "server.key"), serverKey, 0o600),
		os.WriteFile(filepath.Join(directory, "sa.key"), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(accountKey)}), 0o600),
		os.WriteFile(filepath.Join(directory, "tokens"), []byte(tokens), 0o600),
	)
}

func (s *apiServer) run(program, directory string, arguments ...string) error {
	log, err := os.Create(filepath.Join(directory, filepath.Base(program)+".log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(program, arguments...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	s.processes = append(s.processes, cmd)
	return nil
}

// freeze stops the API server from answering, until thaw.
func (s *apiServer) freeze() error { return s.signal(syscall.SIGSTOP) }
func (s *apiServer) thaw() error   { return s.signal(syscall.SIGCONT) }

func (s *apiServer) signal(signal syscall.Signal) error {
	return s.processes[len(s.processes)-1].Process.Signal(signal)
}

func (s *apiServer) stop() {
	for _, cmd := range s.processes {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
