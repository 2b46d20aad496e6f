package main

import (
	"errors"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// requestsFamily is the metric in which the API server counts what it has answered.
const requestsFamily = "apiserver_request_total"

// request is a kind of them: APPLY, postgresclusters/status, 200.
type request struct {
	verb, object, code string
}

// succeeded tells whether it was done.
func (r request) succeeded() bool { return strings.HasPrefix(r.code, "2") }

// String leaves out that it went well.
func (r request) String() string {
	if r.succeeded() {
		return r.verb + " " + r.object
	}
	return r.verb + " " + r.object + " " + r.code
}

// requests are how many there were of each kind. Those that go on, as a watch does, are left out, as are those of no object.
type requests map[request]float64

func parseRequests(metrics string) (requests, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metrics))
	if err != nil || families[requestsFamily] == nil {
		return nil, errors.Join(errors.New("the API server's metrics do not tell what it was asked"), err)
	}
	found := requests{}
	for _, metric := range families[requestsFamily].GetMetric() {
		labels := map[string]string{}
		for _, pair := range metric.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		verb, object := labels["verb"], labels["resource"]
		if object == "" || verb == "WATCH" || verb == "CONNECT" {
			continue
		}
		if labels["subresource"] != "" {
			object += "/" + labels["subresource"]
		}
		found[request{verb, object, labels["code"]}] += metric.GetCounter().GetValue()
	}
	return found, nil
}

// since an earlier moment.
func (r requests) since(before requests) requests {
	made := requests{}
	for kind, count := range r {
		if more := count - before[kind]; more > 0 {
			made[kind] = more
		}
	}
	return made
}

// named as they are written into a file.
func (r requests) named() map[string]float64 {
	names := make(map[string]float64, len(r))
	for kind, count := range r {
		names[kind.String()] += count
	}
	return names
}

// statusWrites of PostgresClusters that were done, and those that were refused, as for a conflict. Only the operator writes there.
func (r requests) statusWrites() (done, refused float64) {
	for kind, count := range r {
		writes := kind.verb == "APPLY" || kind.verb == "PATCH" || kind.verb == "PUT"
		switch {
		case !writes || kind.object != "postgresclusters/status":
		case kind.succeeded():
			done += count
		default:
			refused += count
		}
	}
	return done, refused
}
