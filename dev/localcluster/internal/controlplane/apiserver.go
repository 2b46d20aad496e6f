package controlplane

import (
	"fmt"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
	"github.com/timonier-io/timonier/dev/localcluster/internal/spawn"
)

// APIServer is set up as on a real cluster where it can be seen from inside: RBAC, the Node
// authorizer, Pod Security admission and aggregation are all there.
func (p Plane) APIServer() spawn.Process {
	return p.process(APIServer,
		"--bind-address="+layout.HostAddress, "--advertise-address="+layout.HostAddress,
		fmt.Sprintf("--secure-port=%d", layout.APIPort),
		"--tls-cert-file="+p.PKI.Cert(APIServer), "--tls-private-key-file="+p.PKI.Key(APIServer),
		"--client-ca-file="+p.PKI.Cert("ca"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",

		fmt.Sprintf("--etcd-servers=https://%s:%d", layout.HostAddress, layout.EtcdPort),
		"--etcd-cafile="+p.PKI.Cert("ca"), "--etcd-certfile="+p.PKI.Cert(Etcd), "--etcd-keyfile="+p.PKI.Key(Etcd),

		"--service-cluster-ip-range="+layout.Services,
		"--service-account-issuer=https://kubernetes.default.svc."+layout.Domain,
		"--service-account-key-file="+p.PKI.Key("service-accounts"),
		"--service-account-signing-key-file="+p.PKI.Key("service-accounts"),

		"--kubelet-certificate-authority="+p.PKI.Cert("ca"),
		"--kubelet-client-certificate="+p.PKI.Cert("apiserver-to-kubelet"),
		"--kubelet-client-key="+p.PKI.Key("apiserver-to-kubelet"),
		"--kubelet-preferred-address-types=InternalIP",

		"--requestheader-client-ca-file="+p.PKI.Cert("ca"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+p.PKI.Cert("front-proxy"), "--proxy-client-key-file="+p.PKI.Key("front-proxy"),

		// A closed API server must not keep `api stop` and `down` waiting for open watches.
		"--shutdown-delay-duration=0s",
		"--profiling=false",
	)
}
