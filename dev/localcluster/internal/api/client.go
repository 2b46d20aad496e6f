// Package api is a very small client of the Kubernetes API: enough to wait for a node, to apply a
// manifest and to look at a claim. The real client would make every `localcluster` command start
// slower and its build take minutes.
package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Client speaks as the user of a kubeconfig written by package pki.
type Client struct {
	server string
	http   *http.Client
}

// New reads a kubeconfig.
func New(path string) (*Client, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("there is no cluster here: %w: run `localcluster up`", err)
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     string `json:"certificate-authority-data"`
			}
		}
		Users []struct {
			User struct {
				Cert string `json:"client-certificate-data"`
				Key  string `json:"client-key-data"`
			}
		}
	}
	if err := json.Unmarshal(data, &config); err != nil || len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, fmt.Errorf("%s is not a kubeconfig written by localcluster; remove it and run `localcluster up`", path)
	}
	cluster, user := config.Clusters[0].Cluster, config.Users[0].User
	pem := func(s string) []byte { b, _ := base64.StdEncoding.DecodeString(s); return b }
	pair, err := tls.X509KeyPair(pem(user.Cert), pem(user.Key))
	if err != nil {
		return nil, fmt.Errorf("reading the certificate in %s: %w", path, err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem(cluster.CA))
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
	}
	return &Client{server: cluster.Server, http: &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// StatusError is the API server's refusal.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server answers %d: %s", e.Code, e.Message)
}

// Get reads an object or list into a value.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, into)
}

// Apply writes an object, given as YAML or JSON, by server-side apply.
func (c *Client) Apply(ctx context.Context, path string, manifest []byte) error {
	return c.do(ctx, http.MethodPatch, path+"?fieldManager=localcluster&force=true",
		"application/apply-patch+yaml", manifest, nil)
}

// Ready asks whether the API server has finished starting.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/readyz", "", nil, nil)
}

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the API server: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the API server's answer: %w", err)
	}
	if response.StatusCode >= 300 {
		status := struct{ Message string }{Message: string(data)}
		_ = json.Unmarshal(data, &status)
		return &StatusError{Code: response.StatusCode, Message: status.Message}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading the API server's answer to %s: %w", path, err)
	}
	return nil
}
