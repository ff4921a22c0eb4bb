package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"waggle/client"
)

// Connection says which server is meant. Every command has these flags.
type Connection struct {
	Server    string `default:"http://127.0.0.1:7833" placeholder:"URL" help:"The server to ask."`
	TokenFile string `type:"existingfile" placeholder:"FILE" help:"File that holds a token to present to a proxy before the server, as a bearer; the server itself asks for none yet."`
}

func (c *Connection) client() (*client.Client, error) { return c.clientTelling(nil) }

// clientTelling returns a client that tells of interruptions.
func (c *Connection) clientTelling(interrupted func(error, time.Duration)) (*client.Client, error) {
	token, err := client.ReadToken(c.TokenFile)
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: c.Server, Token: token, Interrupted: interrupted})
}

// clock returns what tells the server's time, so that ages are right on a machine whose own clock is not.
func clock(ctx context.Context, server *client.Client) (now func() time.Time, err error) {
	fleet, err := server.Fleet(ctx)
	if err != nil {
		return nil, err
	}
	ahead := time.Until(fleet.ServerTime)
	return func() time.Time { return time.Now().Add(ahead) }, nil
}

// Output says who reads.
type Output struct {
	JSON bool `help:"Print JSON, as the API has it."`
}

// print writes the value for scripts, or the table for people.
func (o Output) print(w io.Writer, value any, table func(io.Writer) error) error {
	if !o.JSON {
		return table(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}

// note tells people, not scripts, that there is more than was asked for.
func (o Output) note(w io.Writer, shown, total int, what string) error {
	if o.JSON || shown >= total {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d of %d %s; --first and --offset show others.\n", shown, total, what)
	return err
}
