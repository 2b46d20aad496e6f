//go:build integration

package integration

import (
	"strings"
	"testing"
)

const keptNames = "name: postgres, pg_… and timonier_… are kept for PostgreSQL and Timonier; choose another name"

func TestWhatRolesAndDatabasesMaySay(t *testing.T) {
	groups := map[string][]attempt{
		"roles": {
			{"all of one", `
roles:
  - {name: app, login: true, createDB: true, createRole: false, replication: false, bypassRLS: false, inherit: true,
     connectionLimit: 20, memberOf: [pg_read_all_data], passwordSecretRef: {name: app-password}, ensure: Present}`, ""},
			{"one that is to go", `roles: [{name: former, ensure: Absent}]`, ""},
			{"twice", `roles: [{name: app}, {name: app}]`, `spec.roles[1]: Duplicate value`},
			{"without a name", `roles: [{login: true}]`, "spec.roles[0].name: Required"},
			{"PostgreSQL's own", `roles: [{name: postgres}]`, keptNames},
			{"of PostgreSQL's prefix", `roles: [{name: pg_monitor}]`, keptNames},
			{"for replication", `roles: [{name: timonier_replication}]`, keptNames},
			{"in capitals", `roles: [{name: App}]`, "name: use lower-case letters"},
			{"too long", `roles: [{name: ` + strings.Repeat("a", 64) + `}]`, "63"},
			{"unknown ensure", `roles: [{name: app, ensure: Gone}]`, `supported values: "Present", "Absent"`},
			{"a limit out of bounds", `roles: [{name: app, connectionLimit: -2}]`, "greater than or equal to -1"},
			{"member of the same twice", `roles: [{name: app, memberOf: [a, a]}]`, "Duplicate value"},
			{"a Secret without a name", `roles: [{name: app, passwordSecretRef: {}}]`, "passwordSecretRef.name: Required"},
			{"too many", "roles: [" + listOf(201, "{name: r%d}") + "]", "200"},
		},
		"databases": {
			{"with extensions", `databases: [{name: app, owner: app, extensions: [pg_stat_statements, uuid-ossp]}]`, ""},
			{"one that is to go, with its data", `databases: [{name: old, ensure: Absent, confirmDataLoss: old}]`, ""},
			{"confirmed for another", `databases: [{name: old, ensure: Absent, confirmDataLoss: new}]`, "confirmDataLoss: repeat the database's name"},
			{"twice", `databases: [{name: app, owner: app}, {name: app, owner: app}]`, "spec.databases[1]: Duplicate value"},
			{"without an owner", `databases: [{name: app}]`, "owner: name the role that owns the database"},
			{"PostgreSQL's own", `databases: [{name: template1, owner: app}]`, "postgres, template0 and template1 belong to PostgreSQL"},
			{"in capitals", `databases: [{name: App, owner: app}]`, "name: use lower-case letters"},
			{"an extension that is SQL", `databases: [{name: app, owner: app, extensions: ["x; DROP"]}]`, "extensions: use the extension's name alone"},
		},
		"services": {
			{"a load balancer", `
services:
  primary:
    type: LoadBalancer
    annotations: {example.com/pool: public}
    loadBalancerSourceRanges: [10.0.0.0/8, "fd00::/8"]
    loadBalancerClass: example.com/lb
    externalTrafficPolicy: Local
    hostnames: [db.example.org, "*.db.example.org"]
  replicas: {type: NodePort, externalTrafficPolicy: Cluster}`, ""},
			{"unknown type", `services: {primary: {type: ExternalName}}`, `supported values: "ClusterIP", "NodePort", "LoadBalancer"`},
			{"ranges without a load balancer", `services: {primary: {loadBalancerSourceRanges: [10.0.0.0/8]}}`, "loadBalancerSourceRanges: only for type LoadBalancer"},
			{"a class without a load balancer", `services: {replicas: {type: NodePort, loadBalancerClass: a/b}}`, "loadBalancerClass: only for type LoadBalancer"},
			{"a policy without a port outside", `services: {primary: {externalTrafficPolicy: Local}}`, "externalTrafficPolicy: only for type LoadBalancer or NodePort"},
			{"a range that is an address", `services: {primary: {type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.1]}}`, "write each range as CIDR, for example 10.0.0.0/8"},
			{"a host name with a port", `services: {primary: {hostnames: ["db.example.org:5432"]}}`, "hostnames: write each as a DNS name"},
			{"a host name twice", `services: {primary: {hostnames: [a.example, a.example]}}`, "Duplicate value"},
		},
		"imagePullSecrets": {
			{"one", `imagePullSecrets: [{name: registry}]`, ""},
			{"twice", `imagePullSecrets: [{name: registry}, {name: registry}]`, "Duplicate value"},
		},
	}
	for group, attempts := range groups {
		t.Run(group, func(t *testing.T) { try(t, attempts) })
	}
}
