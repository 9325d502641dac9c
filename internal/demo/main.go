// SPDX-License-Identifier: GPL-2.0-or-later

// Command demo builds iotupd and shows one real transfer on this host: two
// processes, UDP multicast over the loopback interface, and packets that the
// receiver throws away as a lossy network would. The file that is sent is the
// program itself. Run it by
//
//	go run ./internal/demo
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "iotupd-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "iotupd")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	received := filepath.Join(dir, "received")
	fmt.Println("$ go build -o iotupd ./cmd/iotupd")
	if err := show("", exec.Command("go", "build", "-o", program, "./cmd/iotupd")).Run(); err != nil {
		return err
	}

	loopback, err := loopbackName()
	if err != nil {
		return err
	}
	send := demoCommand("send", program, "send", filepath.Base(program), "-i", loopback, "--rate", "50M")
	if err := send.Start(); err != nil {
		return err
	}
	defer func() {
		send.Process.Signal(os.Interrupt)
		time.AfterFunc(3*time.Second, func() { send.Process.Kill() })
		send.Wait()
	}()
	recv := demoCommand("recv", program, "recv", "-o", "received", "-i", loopback, "--drop", "bernoulli:10%", "--timeout", "20s")
	if err := recv.Run(); err != nil {
		return fmt.Errorf("recv: %w", err)
	}
	return compare(program, received)
}

// demoCommand prepares iotupd in its own folder, with output that names its end,
// and shows the command as a person would type it.
func demoCommand(end, program string, args ...string) *exec.Cmd {
	fmt.Println("$ iotupd " + strings.Join(args, " "))
	cmd := exec.Command(program, args...)
	cmd.Dir = filepath.Dir(program)
	return show(end+" | ", cmd)
}

// show passes on what cmd prints, each line with a prefix.
func show(prefix string, cmd *exec.Cmd) *exec.Cmd {
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			fmt.Println(prefix + lines.Text())
		}
	}()
	return cmd
}

func loopbackName() (string, error) {
	all, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 {
			return i.Name, nil
		}
	}
	return "", fmt.Errorf("this host has no loopback interface")
}

func compare(sent, received string) error {
	a, err := hash(sent)
	if err != nil {
		return err
	}
	b, err := hash(received)
	if err != nil {
		return err
	}
	fmt.Printf("sha256 sent     %x\nsha256 received %x\n", a, b)
	if !bytes.Equal(a, b) {
		return fmt.Errorf("the files differ")
	}
	return nil
}

func hash(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}
