package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/timonier-io/timonier/dev/localcluster/internal/layout"
)

// Ends of a direction in which packets vanish, beside the nodes.
const (
	// Host is the machine that the nodes run on, with the API server.
	Host = "host"
	// All is everybody else.
	All = "all"
)

// cutTable holds, in a node's namespace, a rule for each direction that is cut. It is ours alone: kube-proxy has its
// own. Packets are dropped before anybody translates their source, or after anybody has translated their destination.
const cutTable = "localcluster-cuts"

// Cut lets packets from one end to the other vanish; those in the other direction arrive. The ends are nodes, with
// their pods, or one of them is Host or All. Cutting twice changes nothing.
func Cut(ctx context.Context, from, to string) error {
	if slices.Contains(Cuts(ctx), [2]string{from, to}) {
		return nil
	}
	node, rule, err := cutRule(from, to)
	if err != nil {
		return err
	}
	err = nft(ctx, node, "add table ip "+cutTable,
		"add chain ip "+cutTable+" arriving { type filter hook prerouting priority raw; }",
		"add chain ip "+cutTable+" leaving { type filter hook postrouting priority 300; }",
		rule)
	if err != nil {
		return fmt.Errorf("cutting the way from %s to %s: %w", from, to, err)
	}
	return nil
}

// Mend undoes Cut; it changes nothing where nothing is cut.
func Mend(ctx context.Context, from, to string) error {
	node, _, err := cutRule(from, to)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(cutsOf(ctx, node), func(cut [2]string) bool { return cut == [2]string{from, to} })
	if err := MendAll(ctx, node); err != nil {
		return err
	}
	for _, cut := range left {
		if err := Cut(ctx, cut[0], cut[1]); err != nil {
			return err
		}
	}
	return nil
}

// MendAll undoes every cut that is made in a node's namespace.
func MendAll(ctx context.Context, node string) error {
	if len(cutsOf(ctx, node)) == 0 {
		return nil
	}
	if err := nft(ctx, node, "delete table ip "+cutTable); err != nil {
		return fmt.Errorf("mending the ways of %s: %w", node, err)
	}
	return nil
}

// Cuts lists the directions in which packets vanish, of all nodes.
func Cuts(ctx context.Context) [][2]string {
	var all [][2]string
	for _, node := range Plugged() {
		all = append(all, cutsOf(ctx, node)...)
	}
	return all
}

// cutsOf a node: those that are made in its namespace. Each rule carries both ends as its comment.
func cutsOf(ctx context.Context, node string) [][2]string {
	if _, err := os.Stat(filepath.Join("/run/netns", layout.NetNS(node))); err != nil {
		return nil
	}
	out, err := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/"+layout.NetNS(node), "nft", "list", "table", "ip", cutTable).Output()
	if err != nil {
		return nil // there is no such table
	}
	var cuts [][2]string
	for line := range strings.Lines(string(out)) {
		_, comment, _ := strings.Cut(line, `comment "`)
		comment, _, _ = strings.Cut(comment, `"`)
		if from, to, ok := strings.Cut(comment, " to "); ok {
			cuts = append(cuts, [2]string{from, to})
		}
	}
	return cuts
}

// cutRule is the rule for a direction, and the node in whose namespace it is: the one that receives, where that is a
// node.
func cutRule(from, to string) (node, rule string, err error) {
	sources, fromNode, err := addressesOf(from)
	if err != nil {
		return "", "", err
	}
	destinations, toNode, err := addressesOf(to)
	switch {
	case err != nil:
		return "", "", err
	case from == to:
		return "", "", errors.New("the way from a node to itself leads over no cable")
	case toNode:
		return to, fmt.Sprintf(`add rule ip %s arriving iifname eth0 %s drop comment "%s to %s"`, cutTable, match("saddr", sources), from, to), nil
	case fromNode:
		return from, fmt.Sprintf(`add rule ip %s leaving oifname eth0 %s drop comment "%s to %s"`, cutTable, match("daddr", destinations), from, to), nil
	}
	return "", "", fmt.Errorf("one end must be a node, and neither %s nor %s is", from, to)
}

func match(direction string, addresses []string) string {
	if len(addresses) == 0 {
		return ""
	}
	return "ip " + direction + " { " + strings.Join(addresses, ", ") + " }"
}

// addressesOf an end; none are everybody's.
func addressesOf(end string) (addresses []string, isNode bool, err error) {
	switch end {
	case All:
		return nil, false, nil
	case Host:
		return []string{layout.HostAddress}, false, nil
	}
	number, err := layout.NodeNumber(end)
	if err != nil {
		return nil, false, fmt.Errorf("%w; the ends of a way are nodes, %s and %s", err, Host, All)
	}
	return []string{layout.NodeAddress(number), layout.PodRange(number)}, true, nil
}

// nft runs commands of nftables in a node's namespace, all or none of them.
func nft(ctx context.Context, node string, commands ...string) error {
	command := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/"+layout.NetNS(node), "nft", "-f", "-")
	command.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft in the namespace of %s: %w: %s", node, err, strings.TrimSpace(string(out)))
	}
	return nil
}
