package graphqlws_test

import (
	"testing"

	"waggle/internal/graphqlexec/exectest"
	"waggle/internal/graphqlws"
)

func TestTheStockClientWorksUnmodified(t *testing.T) {
	t.Parallel()
	exectest.InstallNode(t).Run(t, "client.mjs", newServer(t, graphqlws.Config{}).url)
}
