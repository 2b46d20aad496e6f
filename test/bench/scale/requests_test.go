package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const metrics = `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",dry_run="",resource="postgresclusters",subresource="status",verb="APPLY"} 4
apiserver_request_total{code="200",dry_run="",resource="postgresclusters",subresource="status",verb="PATCH"} 1
apiserver_request_total{code="409",dry_run="",resource="postgresclusters",subresource="status",verb="APPLY"} 2
apiserver_request_total{code="200",dry_run="",resource="postgresclusters",subresource="",verb="PATCH"} 3
apiserver_request_total{code="200",dry_run="",resource="leases",subresource="",verb="GET"} 10
apiserver_request_total{code="200",dry_run="",resource="pods",subresource="",verb="WATCH"} 100
apiserver_request_total{code="200",dry_run="",resource="",subresource="/healthz",verb="GET"} 100
`

func TestRequestsAreCountedByWhatTheyAsk(t *testing.T) {
	found, err := parseRequests(metrics)
	if err != nil {
		t.Fatal(err)
	}
	made := found.since(requests{{"GET", "leases", "200"}: 4, {"PATCH", "postgresclusters", "200"}: 3})
	want := map[string]float64{"APPLY postgresclusters/status": 4, "PATCH postgresclusters/status": 1, "APPLY postgresclusters/status 409": 2, "GET leases": 6}
	if diff := cmp.Diff(want, made.named()); diff != "" {
		t.Error(diff)
	}
	if done, refused := made.statusWrites(); done != 5 || refused != 2 {
		t.Errorf("%v statuses written, %v refused", done, refused)
	}
	if _, err := parseRequests("up 1\n"); err == nil {
		t.Error("metrics without requests were taken for none")
	}
}
