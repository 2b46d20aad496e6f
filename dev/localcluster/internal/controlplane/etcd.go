package controlplane

import (
	"fmt"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// etcd runs without fsync: nothing in it must survive the machine, and its writes would disturb what
// is measured in the cluster. It lets in only who has a certificate of the cluster, as every pod
// can reach its address.
func (p Plane) etcd() spawn.Process {
	client := fmt.Sprintf("https://%s:%d", layout.HostAddress, layout.EtcdPort)
	peer := fmt.Sprintf("https://%s:%d", layout.HostAddress, layout.EtcdPeerPort)
	cert, key, ca := p.PKI.Cert(Etcd), p.PKI.Key(Etcd), p.PKI.Cert("ca")
	return p.process(Etcd,
		"--name=localcluster",
		"--data-dir="+p.Dir.Etcd(),
		"--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=localcluster="+peer,
		"--cert-file="+cert, "--key-file="+key, "--trusted-ca-file="+ca, "--client-cert-auth",
		"--peer-cert-file="+cert, "--peer-key-file="+key, "--peer-trusted-ca-file="+ca, "--peer-client-cert-auth",
		"--log-level=warn",
	)
}
