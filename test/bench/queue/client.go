package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"

	"github.com/container-patterns/terraform-provider-pattern/images/queue/api"
)

// payload gives 256 bytes that do not compress.
func payload() []byte {
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	return data
}

// A client of the queue is one connection that is kept alive. It costs as little as the clients of the other brokers do:
// both share the cores with the servers.
type client struct {
	conn   net.Conn
	in     *bufio.Reader
	out    bytes.Buffer
	answer bytes.Buffer
	token  string
}

func (s *server) client(who string) (*client, error) {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReader(conn), token: token + "-" + who}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// get reads a value.
func (c *client) get(path string, answer any) error {
	content, err := c.send(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, answer)
}

func (c *client) post(path string, body []byte) ([]byte, error) {
	return c.send(http.MethodPost, path, body)
}

// send gives the body of the answer, which is valid until the next call.
func (c *client) send(method, path string, body []byte) ([]byte, error) {
	c.out.Reset()
	c.out.WriteString(method + " " + path + " HTTP/1.1\r\nHost: queue\r\nContent-Type: application/json\r\nAuthorization: Bearer " + c.token + "\r\nContent-Length: ")
	c.out.WriteString(strconv.Itoa(len(body)))
	c.out.WriteString("\r\n\r\n")
	c.out.Write(body)
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	c.answer.Reset()
	if _, err := io.Copy(&c.answer, response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, c.answer.Bytes())
	}
	return c.answer.Bytes(), nil
}

// call posts one value as JSON, and reads another.
func (c *client) call(path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	content, err := c.post(path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, answer)
}

// enqueue posts a request that was encoded before, and makes sure that all of its items were taken.
func (c *client) enqueue(body []byte, items int) error {
	content, err := c.post("/v1/items", body)
	if err != nil {
		return err
	}
	if n := bytes.Count(content, []byte(`"name"`)); n != items || bytes.Contains(content, []byte(`"error"`)) {
		return fmt.Errorf("%d of %d items were taken: %.300s", n, items, content)
	}
	return nil
}

// items encodes a request of that many new items.
func items(n int) []byte {
	request := api.EnqueueRequest{Items: make([]api.NewItem, n)}
	for i := range request.Items {
		request.Items[i].Data = payload()
	}
	body, err := json.Marshal(request)
	if err != nil {
		panic(err) // of strings and bytes
	}
	return body
}
