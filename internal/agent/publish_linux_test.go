package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"waggle/client"
)

const (
	procNetHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	// fibTrie is what a container with the address 172.17.0.2 has, which its network has, too, as one to be reached.
	fibTrie = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 172.17.0.0/16 2 0 2
        +-- 172.17.0.0/30 2 0 2
           |-- 172.17.0.0
              /16 link UNICAST
           |-- 172.17.0.2
              /32 host LOCAL
        |-- 172.17.255.255
           /32 link BROADCAST
`
)

// listens makes a line of /proc/net/tcp or tcp6.
func listens(address string, port int) string {
	return fmt.Sprintf("   0: %s:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n", address, port)
}

// The files are those of a proc file system, of a machine with this byte order.
func TestTheWorkerOfAContainerIsReachedWhereItsPortIsPublished(t *testing.T) {
	const (
		every, loopback, its = "00000000", "0100007F", "020011AC"
		every6               = "00000000000000000000000000000000"
		proxy                = "docker-proxy -proto tcp -host-ip %s -host-port %d -container-ip %s -container-port %d"
		toIts                = "172.17.0.2"
	)
	type files map[string]string
	for _, c := range []struct {
		name  string
		line  string
		tcp   string // where somebody listens in the container
		tcp6  string
		proxy []string
		more  files
		want  string
	}{
		{"at all addresses", "llama-server -m x.gguf --host 0.0.0.0", listens(every, 8080), "", []string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 8080)}, nil,
			"llama/9001 pid 8 model x at http://gpu-1:9001"},
		{"for both kinds of addresses", "llama-server -m x.gguf", "", listens(every6, 8080), []string{
			fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 8080), fmt.Sprintf(proxy, "::", 9001, toIts, 8080)}, nil,
			"llama/9001 pid 8 model x at http://gpu-1:9001"},
		{"at its own address", "vllm serve x --port 81", listens(its, 81), "", []string{fmt.Sprintf(proxy, "192.168.1.10", 9001, toIts, 81)}, nil,
			"vllm/9001 pid 8 model x at http://192.168.1.10:9001"},
		{"at a loopback address of the machine", "vllm serve x --port 81", listens(every, 81), "", []string{fmt.Sprintf(proxy, "127.0.0.1", 9001, toIts, 81)}, nil,
			"vllm/9001 pid 8 model x at -"},
		{"twice", "vllm serve x --port 81", listens(every, 81), "", []string{fmt.Sprintf(proxy, "127.0.0.1", 9001, toIts, 81),
			fmt.Sprintf(proxy, "0.0.0.0", 9003, toIts, 81), fmt.Sprintf(proxy, "0.0.0.0", 9002, toIts, 81)}, nil,
			"vllm/9002 pid 8 model x at http://gpu-1:9002"},
		{"by IPv6", "vllm serve x --port 81", "", listens(every6, 81), []string{fmt.Sprintf(proxy, "::", 9001, "fd00::2", 81)},
			files{"8/net/if_inet6": "fd000000000000000000000000000002 01 40 00 82     eth0\n"},
			"vllm/9001 pid 8 model x at http://gpu-1:9001"},
		{"but it loads", "vllm serve x --port 81", "", "", []string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 81)}, nil,
			"vllm/9001 pid 8 model - at -"},
		{"but it listens within the container only", "vllm serve x --port 81 --host 127.0.0.1", listens(loopback, 81), "",
			[]string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 81)}, nil,
			"vllm/9001 pid 8 model x at -"},
		{"but another port is", "vllm serve x --port 81", listens(every, 81), "", []string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 82)}, nil,
			"vllm/81 pid 8 model x at -"},
		{"but for another container", "vllm serve x --port 81", listens(every, 81), "", []string{fmt.Sprintf(proxy, "0.0.0.0", 9001, "172.17.0.3", 81)}, nil,
			"vllm/81 pid 8 model x at -"},
		{"but for an address that is of its network, and not its own", "vllm serve x --port 81", listens(every, 81), "",
			[]string{fmt.Sprintf(proxy, "0.0.0.0", 9001, "172.17.0.0", 81)}, nil,
			"vllm/81 pid 8 model x at -"},
		{"but another network has the same address", "vllm serve x --port 81", listens(every, 81), "", []string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 81)},
			files{"30/net/tcp": procNetHead, "30/net/fib_trie": fibTrie},
			"vllm/81 pid 8 model x at -"},
		{"beside another network with another address", "vllm serve x --port 81", listens(every, 81), "",
			[]string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 81)},
			files{"30/net/tcp": procNetHead, "30/net/fib_trie": strings.ReplaceAll(fibTrie, toIts, "172.17.0.20")},
			"vllm/9001 pid 8 model x at http://gpu-1:9001"},
		{"but another network cannot be read", "vllm serve x --port 81", listens(every, 81), "", []string{fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 81)},
			files{"30/net/tcp": procNetHead},
			"vllm/81 pid 8 model x at -"},
		{"but by a proxy that is in another network itself", "vllm serve x --port 81", listens(every, 81), "", nil,
			files{"30/net/tcp": procNetHead, "30/net/fib_trie": "Main:\n",
				"30/cmdline": strings.ReplaceAll(fmt.Sprintf(proxy, "0.0.0.0", 9001, toIts, 81), " ", "\x00")},
			"vllm/81 pid 8 model x at -"},
		{"nowhere", "vllm serve x --port 81", listens(every, 81), "", nil, nil,
			"vllm/81 pid 8 model x at -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			process := func(pid int, line string) {
				name := strconv.Itoa(pid)
				writeFile(t, filepath.Join(root, name, "stat"), name+" (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 9 0\n")
				writeFile(t, filepath.Join(root, name, "cmdline"), strings.ReplaceAll(line, " ", "\x00"))
			}
			writeFile(t, filepath.Join(root, "self/net/tcp"), procNetHead)
			process(8, c.line)
			writeFile(t, filepath.Join(root, "8/net/tcp"), procNetHead+c.tcp)
			writeFile(t, filepath.Join(root, "8/net/tcp6"), procNetHead+c.tcp6)
			writeFile(t, filepath.Join(root, "8/net/fib_trie"), fibTrie)
			for i, line := range c.proxy {
				process(20+i, line)
				if err := os.Symlink("../self/net", filepath.Join(root, strconv.Itoa(20+i), "net")); err != nil {
					t.Fatal(err)
				}
			}
			if c.more["30/net/tcp"] != "" {
				process(30, "sleep 1")
			}
			for name, text := range c.more {
				writeFile(t, filepath.Join(root, name), text)
			}
			found, err := newSurveyor(root).look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			expect(t, said{}.report(), found.workers, c.want)
		})
	}
}

func TestTheWorkerOfAContainerIsAskedThroughDockersProxy(t *testing.T) {
	const address = "172.31.255.2"
	inside := start(t, fake{Args: []string{"llama-server", "-m", "x.gguf", "--port", "PORT", "--host", "0.0.0.0"}, Deaf: true, Network: address})
	outside := llamaServer() // It has the answers of what is behind it.
	outside.Args = strings.Fields(fmt.Sprintf("/usr/bin/docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port PORT -container-ip %s -container-port %d", address, inside.port))
	proxy := start(t, outside)
	to := newServer(t)
	runAgent(t, to, inside, proxy)
	got := to.await(t, func(in *client.HeartbeatInput) bool {
		return len(in.Workers) == 1 && in.Workers[0].RequestsRunning != nil
	})
	want := fmt.Sprintf("llama/%d pid %d model x at http://127.0.0.1:%d", proxy.port, inside.pids[0], proxy.port)
	if list := summary(got.Workers); list[0] != want || deref(got.Workers[0].RequestsRunning) != 2 {
		t.Errorf("got %s with %v requests, want %s", list[0], deref(got.Workers[0].RequestsRunning), want)
	}
}
