// kubectl-timonier operates clusters from a terminal; kubectl calls it as `kubectl timonier`, and under the name kubectl_complete-timonier for what to
// suggest at the Tab key.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/timonier-io/timonier/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	command := cli.Command(time.Now)
	command.SetArgs(cli.Arguments(os.Args))
	err := command.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(cli.Code(err))
}
