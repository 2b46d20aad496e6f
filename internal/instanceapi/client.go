package instanceapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// HeaderSHA256 carries the hash of an uploaded program, in hex.
const HeaderSHA256 = "X-Timonier-Sha256"

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// idle is how long a connection is kept that nobody uses: for what is asked in a row, and no longer. Whoever asks thousands of instances once in a while
// would hold as many.
const idle = 3 * time.Second

// Client speaks to one instance. It is safe for concurrent use.
type Client struct {
	base string
	http *http.Client
}

// NewClient for the instance that serves at address (host:port); the TLS configuration comes from
// pki.ClientConfig and names the host that its certificate must carry.
func NewClient(address string, config *tls.Config) *Client {
	return &Client{
		base: "https://" + address,
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig:     config,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     idle,
		}},
	}
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks what the instance knows of itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodGet, PathStatus, nil)
}

// Statuses asks what all instances of the cluster know of themselves; those that this one does not reach are missing.
func (c *Client) Statuses(ctx context.Context) (Statuses, error) {
	return call[Statuses](ctx, c, http.MethodGet, PathStatuses, nil)
}

// InForce asks for the configuration that is in force.
func (c *Client) InForce(ctx context.Context) (Configuration, error) {
	return call[Configuration](ctx, c, http.MethodGet, PathConfiguration, nil)
}

// Configure sends a configuration and waits until it is in force, but for what needs a restart.
// A configuration that is refused is a *RefusedError with the reason Rejected.
func (c *Client) Configure(ctx context.Context, configuration Configuration) (Status, error) {
	return call[Status](ctx, c, http.MethodPut, PathConfiguration, configuration)
}

// Grant sends roles and databases to the leader.
func (c *Client) Grant(ctx context.Context, access Access) (AccessReport, error) {
	return call[AccessReport](ctx, c, http.MethodPut, PathAccess, access)
}

// Restart asks for a restart of postgres; it is not waited for.
func (c *Client) Restart(ctx context.Context, request RestartRequest) (Status, error) {
	return call[Status](ctx, c, http.MethodPost, PathRestart, request)
}

// Switchover asks the leader to hand over; it is not waited for. Who leads afterwards is in the Lease.
func (c *Client) Switchover(ctx context.Context, request SwitchoverRequest) (Status, error) {
	return call[Status](ctx, c, http.MethodPost, PathSwitchover, request)
}

// Reinitialize asks a standby to clone its data anew; it is not waited for.
func (c *Client) Reinitialize(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, http.MethodPost, PathReinitialize, ReinitializeRequest{})
}

// ForcePromotion lets an instance take the Lease without votes, and tells what may be lost by it.
func (c *Client) ForcePromotion(ctx context.Context, request ForcePromotionRequest) (ForcePromotionReply, error) {
	return call[ForcePromotionReply](ctx, c, http.MethodPost, PathForce, request)
}

// Replace sends another build of the instance manager, which then takes the place of the running one.
func (c *Client) Replace(ctx context.Context, program io.Reader, size int64, hash string) (BinaryReply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+PathBinary, program)
	if err != nil {
		return BinaryReply{}, fmt.Errorf("request for %s: %w", PathBinary, err)
	}
	request.ContentLength = size
	request.Header.Set(HeaderSHA256, hash)
	return do[BinaryReply](c, request)
}

// RefusedError is an answer of the instance that is not 2xx.
type RefusedError struct {
	Code   int
	Answer Error
}

func (e *RefusedError) Error() string { return e.Answer.Reason + ": " + e.Answer.Message }

// Refused finds the instance's own refusal in an error, however deep it is wrapped.
func Refused(err error) (*RefusedError, bool) {
	var refused *RefusedError
	return refused, errors.As(err, &refused)
}

// Unknown tells that an instance refused since it does not know the path: its instance manager is older than the operator.
func Unknown(err error) bool {
	refused, ok := Refused(err)
	return ok && (refused.Code == http.StatusNotFound || refused.Code == http.StatusMethodNotAllowed)
}

func call[Answer any](ctx context.Context, c *Client, method, path string, body any) (Answer, error) {
	var none Answer
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return none, fmt.Errorf("request for %s: %w", path, err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return none, fmt.Errorf("request for %s: %w", path, err)
	}
	return do[Answer](c, request)
}

func do[Answer any](c *Client, request *http.Request) (answer Answer, err error) {
	response, err := c.http.Do(request)
	if err != nil {
		return answer, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer, fmt.Errorf("reading the answer to %s: %w", request.URL.Path, err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		refused := &RefusedError{Code: response.StatusCode}
		if json.Unmarshal(content, &refused.Answer) != nil || refused.Answer.Reason == "" {
			refused.Answer = Error{Reason: "Failed", Message: response.Status}
		}
		return answer, refused
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return answer, fmt.Errorf("the answer to %s is not what was expected: %w", request.URL.Path, err)
	}
	return answer, nil
}
