package kubeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// watch calls seen with each state of one object, and with nil when it was deleted. It begins with the
// present state, so nothing between a read and the watch is missed. It returns nil when the API ends the watch.
func (c *Client) watch(ctx context.Context, collection, name string, seen func(document) error) error {
	query := url.Values{
		"watch":               {"true"},
		"fieldSelector":       {"metadata.name=" + name}, // RBAC by name allows a watch only with this selector
		"timeoutSeconds":      {"300"},
		"allowWatchBookmarks": {"true"},
	}
	response, err := c.send(ctx, http.MethodGet, collection+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("watching %s: %w", name, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // the status says enough without it
		return fmt.Errorf("watching %s: %w", name, statusError(response.StatusCode, body))
	}
	decoder := json.NewDecoder(response.Body)
	for {
		var event struct {
			Type   string   `json:"type"`
			Object document `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("watching %s: %w", name, err)
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			err = seen(event.Object)
		case "DELETED":
			err = seen(nil)
		case "ERROR":
			message, _ := json.Marshal(event.Object)
			err = statusError(http.StatusGone, message)
		}
		if err != nil {
			return fmt.Errorf("watching %s: %w", name, err)
		}
	}
}
