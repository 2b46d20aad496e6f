//go:build integration

package instance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/timonier-io/timonier/internal/instanceapi"
	"github.com/timonier-io/timonier/internal/naming"
	"github.com/timonier-io/timonier/internal/pki"
)

// measured is what an instance's metrics say: the value of each series, by name and labels as in the text format. That of a histogram is its count.
type measured map[string]float64

// metrics of an instance, as a Prometheus reads them; nil where it does not answer.
func (p *pod) metrics() measured {
	p.w.t.Helper()
	ctx, cancel := context.WithTimeout(p.w.ctx, 10*time.Second)
	defer cancel()
	address := net.JoinHostPort(p.w.address(p.ordinal), strconv.Itoa(naming.PortAPI))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+instanceapi.PathMetrics, nil)
	p.w.check(err)
	host := naming.InstanceHost(clusterName, p.w.namespace, p.name)
	client := http.Client{Transport: &http.Transport{
		TLSClientConfig: pki.ClientConfig(p.w.operator, []*x509Certificate{p.w.peers.Certificate}, host), DisableKeepAlives: true,
	}}
	response, err := client.Do(request)
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	values, err := parsed(response.Body)
	p.w.check(err)
	return values
}

// parsed is what was told in the text format.
func parsed(text io.Reader) (measured, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	values := measured{}
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			values[name+labels(metric)] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return values, nil
}

func labels(metric *dto.Metric) string {
	text := ""
	for _, label := range metric.GetLabel() {
		text += fmt.Sprintf(",%s=%q", label.GetName(), label.GetValue())
	}
	if text == "" {
		return ""
	}
	return "{" + text[1:] + "}"
}

// of one series, without the prefix of all of them; false where it is not told.
func (m measured) of(series string) (float64, bool) {
	value, told := m["timonier_postgres_"+series]
	return value, told
}

// measures waits until a series of an instance has a value.
func (p *pod) measures(series string, want float64) {
	p.w.t.Helper()
	p.measuresThat(series, fmt.Sprintf("is %v", want), func(value float64) bool { return value == want })
}

// measuresThat waits until a series of an instance is told, and something is so of its value.
func (p *pod) measuresThat(series, what string, so func(float64) bool) {
	p.w.t.Helper()
	p.w.eventually(fmt.Sprintf("%s of %s %s", series, p.name, what), func() bool {
		value, told := p.metrics().of(series)
		return told && so(value)
	})
}

// total of all series of a name.
func (m measured) total(name string) (total float64) {
	for series, value := range m {
		if base, _, _ := strings.Cut(series, "{"); base == "timonier_postgres_"+name {
			total += value
		}
	}
	return total
}
