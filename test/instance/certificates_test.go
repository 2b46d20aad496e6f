//go:build integration

package instance

import (
	"crypto/rand"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// as is a client of the instance with a certificate of another role.
func (p *pod) as(request pki.LeafRequest) *instanceapi.Client {
	leaf, err := p.w.peers.Issue(time.Now(), rand.Reader, request)
	p.w.check(err)
	return instanceapi.NewClient(net.JoinHostPort(p.w.address(p.ordinal), strconv.Itoa(naming.PortAPI)),
		pki.ClientConfig(leaf, []*x509Certificate{p.w.peers.Certificate}, naming.InstanceHost(clusterName, p.w.namespace, p.name)))
}

func TestEachPathIsForItsRolesOnly(t *testing.T) {
	w := cluster(t, 1)
	p := w.pods[1]
	instance, monitor := p.as(pki.InstanceRequest(clusterName, nil, time.Hour)), p.as(pki.MonitorRequest(time.Hour))
	if _, err := instance.Status(w.ctx); err != nil {
		t.Errorf("an instance may ask for the status: %v", err)
	}
	_, configure := instance.Configure(w.ctx, w.configuration())
	_, restart := instance.Restart(w.ctx, instanceapi.RestartRequest{})
	_, grant := monitor.Grant(w.ctx, instanceapi.Access{})
	_, status := monitor.Status(w.ctx)
	for what, err := range map[string]error{
		"an instance configures": configure, "an instance restarts": restart, "monitoring grants": grant, "monitoring asks for the status": status,
	} {
		if refused, ok := instanceapi.Refused(err); !ok || refused.Code != http.StatusForbidden {
			t.Errorf("%s: %v; want 403", what, err)
		}
	}
	if _, err := p.as(pki.ReplicationRequest(time.Hour)).Status(w.ctx); err == nil {
		t.Error("a replication certificate may ask for the status")
	}
}

func TestCertificatesAreReplacedWithoutARestart(t *testing.T) {
	w := cluster(t, 2)
	before := w.pods[1].answers()
	conn, err := w.pods[1].connect()
	w.check(err)
	defer conn.Close(w.ctx)
	former := w.clients.Certificate
	w.writeCertificates() // two new authorities and everything they sign
	for _, p := range w.pods {
		host := naming.InstanceHost(clusterName, w.namespace, p.name)
		p.client = instanceapi.NewClient(net.JoinHostPort(p.w.address(p.ordinal), strconv.Itoa(naming.PortAPI)),
			pki.ClientConfig(w.operator, []*x509Certificate{w.peers.Certificate}, host))
		w.eventually(p.name+" uses the new certificates", func() bool {
			report := p.status().Certificates
			return report.Server != "" && report.Server != before.Certificates.Server && report.Peer != before.Certificates.Peer
		})
	}
	if _, err := conn.Exec(w.ctx, "INSERT INTO notes VALUES ('over the old connection')"); err != nil {
		t.Errorf("a connection from before the rotation broke: %v", err)
	}
	w.pods[1].must("INSERT INTO notes VALUES ('verified by the new authority')") // connect trusts w.clients alone
	if former.Equal(w.clients.Certificate) {
		t.Fatal("the test changed nothing")
	}
	if after := w.pods[1].answers(); after.Postgres.PID != before.Postgres.PID {
		t.Error("postgres was restarted")
	}
	w.pods[2].terminate()
	w.pods[2].run()
	w.pods[2].reads(notes, "first over the old connection verified by the new authority")
}
