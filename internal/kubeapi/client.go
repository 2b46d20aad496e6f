// Package kubeapi speaks to the Kubernetes API for the instance manager, and for
// nobody else: it can get, replace and watch the one Lease and the two
// EndpointSlices of a cluster, by name. The full clientset alone costs more
// memory than the whole instance manager may use.
//
// client.go sends requests, lease.go and endpointslice.go hold the two kinds with
// the fields that matter here (all others are kept as they came), watch.go follows one object.
package kubeapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Where Kubernetes puts what a pod needs to speak to the API.
const (
	inClusterToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	inClusterCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
)

// Config tells how to reach the API.
type Config struct {
	// Server is "https://host:port".
	Server string
	// TokenFile is read anew for every request: the kubelet replaces the token.
	TokenFile string
	// CAFile verifies the server.
	CAFile string
	// Timeout of a request that is not a watch. An answer that comes later is worth nothing to a leader.
	Timeout time.Duration
}

// InCluster is the Config of a pod, from what the kubelet tells it.
func InCluster(host, port string) Config {
	return Config{
		Server:    "https://" + net.JoinHostPort(host, port),
		TokenFile: inClusterToken,
		CAFile:    inClusterCA,
		Timeout:   3 * time.Second,
	}
}

// Client of the Kubernetes API.
type Client struct {
	config Config
	http   *http.Client
}

// New makes a Client. The CA is read once: it changes with the Kubernetes cluster, and then every pod is a new one.
func New(config Config) (*Client, error) {
	pem, err := os.ReadFile(config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the Kubernetes API's CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", config.CAFile)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext:     (&net.Dialer{Timeout: config.Timeout, KeepAlive: 5 * time.Second}).DialContext,
		// HTTP/1.1: a request that hangs takes its own connection down, not the watch's as well.
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout: config.Timeout,
		MaxIdleConns:        2,
		IdleConnTimeout:     time.Minute,
		ReadBufferSize:      2 << 10,
		WriteBufferSize:     2 << 10,
	}
	return &Client{config: config, http: &http.Client{Transport: transport}}, nil
}

// StatusError is an answer that is not 2xx.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the Kubernetes API answered %d: %s", e.Code, e.Message)
}

// IsNotFound tells that the object does not exist.
func IsNotFound(err error) bool { return hasCode(err, http.StatusNotFound) }

// IsConflict tells that the object was changed by somebody else in between.
func IsConflict(err error) bool { return hasCode(err, http.StatusConflict) }

// Refused tells that the API read the request and did not carry it out: a write that was refused has
// certainly not happened, while any other error leaves its fate unknown.
func Refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code >= 400 && status.Code < 500
}

// TurnedAway tells that the API does not know who asks, or grants it nothing: it says so of the token of a pod that was deleted by force, which may still run.
func TurnedAway(err error) bool {
	return hasCode(err, http.StatusUnauthorized) || hasCode(err, http.StatusForbidden)
}

func hasCode(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// get reads path into a document; without a resourceVersion it is a quorum read.
func (c *Client) get(ctx context.Context, path string) (document, error) {
	return c.exchange(ctx, http.MethodGet, path, nil)
}

// put replaces what is at path, under the resourceVersion in the document.
func (c *Client) put(ctx context.Context, path string, doc document) (document, error) {
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", path, err)
	}
	return c.exchange(ctx, http.MethodPut, path, body)
}

func (c *Client) exchange(ctx context.Context, method, path string, body []byte) (document, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	const largest = 3 << 20 // no object in etcd is larger
	answer, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s %s: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		return nil, statusError(response.StatusCode, answer)
	}
	var doc document
	if err := json.Unmarshal(answer, &doc); err != nil {
		return nil, fmt.Errorf("decoding the answer of %s %s: %w", method, path, err)
	}
	return doc, nil
}

func (c *Client) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.config.Server+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	token, err := os.ReadFile(c.config.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("reading the service account's token: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "timonier-instance")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return c.http.Do(request)
}

func statusError(code int, body []byte) error {
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &status) != nil || status.Message == "" {
		status.Message = http.StatusText(code)
	}
	return &StatusError{Code: code, Message: status.Message}
}
