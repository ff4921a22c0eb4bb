package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Khan/genqlient/graphql"
	"github.com/gorilla/websocket"
)

// Config says which server to talk to and how. Only URL is required.
type Config struct {
	// URL of the server, http or https. Without a path, /graphql is meant.
	URL string
	// Token is sent as `Authorization: Bearer`. Empty: none is sent.
	Token string
	// Timeout bounds one call, from dialling to the last byte of the answer. Zero means 10 s.
	Timeout time.Duration
	// MaxAnswerBytes bounds the answer to one call, one message of a subscription, and the messages of one that
	// wait to be taken. Zero means 64 MiB.
	MaxAnswerBytes int64
	// Transport sends the requests. Nil means one of its own, which honours the environment's proxy settings.
	// Subscriptions use its dialler, proxy and TLS settings when it is an [*http.Transport].
	Transport http.RoundTripper

	// PingInterval is how often the server is asked for a sign of life while there are subscriptions; one that is silent for two and
	// a half times as long is taken for dead. Zero means 5 s.
	PingInterval time.Duration
	// MaxPause bounds the pause before a try to connect again. Zero means 10 s.
	MaxPause time.Duration
	// Linger is how long the connection is kept after its last subscription has ended. Zero means not at all.
	Linger time.Duration
	// Interrupted is told when subscriptions are interrupted, whether their connection was or the server ended one for reasons of its own, and how
	// long the pause before the next try is. It may be called from any goroutine and must not block. Nil: nobody is told.
	Interrupted func(err error, pause time.Duration)
}

// Client sends operations to one server.
type Client struct {
	cfg            Config // with defaults
	url            string
	token          string
	maxAnswerBytes int64
	http           *http.Client
	transport      graphql.Client
	dialer         *websocket.Dialer
	line           line
}

// New returns a client of the server at cfg.URL. It does not connect yet, so the server need not run.
func New(cfg Config) (*Client, error) {
	endpoint, err := endpointOf(cfg.URL)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token contains a blank or a character that no header may carry")
	}
	if min(cfg.MaxAnswerBytes, int64(cfg.Timeout), int64(cfg.PingInterval), int64(cfg.MaxPause), int64(cfg.Linger)) < 0 {
		return nil, errors.New("a setting is negative: Timeout, PingInterval, MaxPause, Linger and MaxAnswerBytes must be 0 or more")
	}
	transport := cfg.Transport
	if transport == nil {
		transport = newTransport()
	}
	cfg.MaxAnswerBytes = cmp.Or(cfg.MaxAnswerBytes, 64<<20)
	cfg.PingInterval = cmp.Or(cfg.PingInterval, 5*time.Second)
	cfg.MaxPause = cmp.Or(cfg.MaxPause, 10*time.Second)
	c := &Client{
		cfg:            cfg,
		url:            endpoint,
		token:          cfg.Token,
		maxAnswerBytes: cfg.MaxAnswerBytes,
		http: &http.Client{
			Transport: transport,
			Timeout:   cmp.Or(cfg.Timeout, 10*time.Second),
			// A redirected POST would lose its body, and could carry the token to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.transport = poster{c}
	c.dialer = newDialer(transport)
	c.line.client = c
	return c, nil
}

// ReadToken returns the token that a file holds, for [Config.Token], without blanks around it; without a path there is none. A file that holds none
// is an error: to present none would be another request than was meant.
func ReadToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the caller's own
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("%s holds no token", path)
	}
	return token, nil
}

// Heartbeat reports a hive and all its workers. An answer, whatever its outcome, is no error; errors are an [*Error]
// where the server refused the request, a [*StatusError] where it answered something else than GraphQL, and whatever
// the network has to say otherwise.
func (c *Client) Heartbeat(ctx context.Context, input *HeartbeatInput) (*HeartbeatPayload, error) {
	answer, err := Heartbeat(ctx, c.transport, input)
	if err != nil {
		return nil, fmt.Errorf("cannot send the heartbeat: %w", err)
	}
	return answer.Heartbeat, nil
}

func (c *Client) tellInterrupted(err error, pause time.Duration) {
	if tell := c.cfg.Interrupted; tell != nil {
		tell(err, pause)
	}
}

// CloseIdle closes the connections that are kept open between calls and between subscriptions.
func (c *Client) CloseIdle() {
	c.http.CloseIdleConnections()
	c.line.hangUpIfIdle()
}

func newTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // Somebody replaced it; what they chose is meant for us as well.
		return http.DefaultTransport
	}
	return t.Clone()
}

func endpointOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("the server's URL cannot be read; it must look like http://127.0.0.1:7833")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", errors.New("the server's URL must begin with http:// or https:// and name a host")
	}
	if u.User != nil {
		return "", errors.New("the server's URL must not contain a user or password; use the token")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/graphql"
	}
	u.Fragment = ""
	return u.String(), nil
}

// poster carries operations as GraphQL over HTTP has it: one POST, JSON both ways.
type poster struct{ *Client }

// MakeRequest implements [graphql.Client] for the generated operations.
func (c poster) MakeRequest(ctx context.Context, op *graphql.Request, into *graphql.Response) error {
	body, err := json.Marshal(op)
	if err != nil {
		return fmt.Errorf("cannot encode operation %s: %w", op.OpName, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/graphql-response+json, application/json;q=0.9")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, c.maxAnswerBytes+1))
	if err != nil {
		return fmt.Errorf("cannot read the answer to %s: %w", op.OpName, err)
	}
	if int64(len(answer)) > c.maxAnswerBytes {
		return fmt.Errorf("the answer to %s is longer than %d bytes", op.OpName, c.maxAnswerBytes)
	}
	return decode(answer, resp.StatusCode, into)
}

// decode reads an answer. A server may put GraphQL errors into answers of any status, so the body is looked at first.
func decode(answer []byte, status int, into *graphql.Response) error {
	var envelope struct {
		Data   json.RawMessage `json:"data"`
		Errors []*Error        `json:"errors"`
	}
	err := json.Unmarshal(answer, &envelope)
	switch {
	case err == nil && len(envelope.Errors) > 0 && envelope.Errors[0] != nil:
		first := envelope.Errors[0]
		first.Status = status
		return first
	case status < 200 || status > 299:
		return &StatusError{Status: status}
	case err != nil:
		return fmt.Errorf("the answer is not GraphQL: %w", err)
	case len(envelope.Data) == 0 || string(envelope.Data) == "null":
		return errors.New("the answer holds neither data nor errors")
	}
	if err := json.Unmarshal(envelope.Data, into.Data); err != nil {
		return fmt.Errorf("the answer does not fit the operation: %w", err)
	}
	return nil
}
