// A node of the chain version that go.mod names.
package main

import (
	"fmt"
	"os"

	"github.com/allora-network/allora-chain/app"
	"github.com/allora-network/allora-chain/cmd/allorad/cmd"
	servercmd "github.com/cosmos/cosmos-sdk/server/cmd"
)

func main() {
	if err := servercmd.Execute(cmd.NewRootCmd(), "", app.DefaultNodeHome); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
