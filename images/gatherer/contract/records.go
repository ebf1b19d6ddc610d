package contract

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Records reads the streamed form line by line: what a streaming merge written in Go begins with. A server of net/http that
// answers meanwhile must have called EnableFullDuplex of its http.ResponseController.
type Records struct {
	Asked Asked
	lines *bufio.Scanner
	read  int
}

// NewRecords reads the first line. A line of more than lineBytes is an error.
func NewRecords(body io.Reader, lineBytes int) (*Records, error) {
	r := &Records{lines: bufio.NewScanner(body)}
	r.lines.Buffer(make([]byte, 0, min(64<<10, lineBytes)), lineBytes)
	line, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the first line is missing")
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &r.Asked); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	return r, nil
}

// Next record, which is valid until the next call. At the end it is io.EOF.
func (r *Records) Next() (record MergeRecord, err error) {
	line, err := r.next()
	if err != nil {
		return record, err
	}
	if err := json.Unmarshal(line, &record); err != nil {
		return record, fmt.Errorf("line %d: %w", r.read, err)
	}
	if len(record.Record) == 0 {
		return record, fmt.Errorf("line %d: there is no record", r.read)
	}
	if err := valid(record.Shards); err != nil {
		return record, fmt.Errorf("line %d: %w", r.read, err)
	}
	return record, nil
}

func (r *Records) next() ([]byte, error) {
	for r.lines.Scan() {
		r.read++
		if line := bytes.TrimSpace(r.lines.Bytes()); len(line) > 0 {
			return line, nil
		}
	}
	if err := r.lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", r.read+1, err)
	}
	return nil, io.EOF
}

// AppendRecord adds a line of the streamed form, with its end.
func AppendRecord(to []byte, shards []int, record []byte) []byte {
	to = AppendRecordStart(to, shards)
	to = append(to, record...)
	return append(to, '}', '\n')
}

// AppendRecordStart adds the beginning of a line, which is the same for all records of some shards.
func AppendRecordStart(to []byte, shards []int) []byte {
	to = append(to, `{"shards":[`...)
	for i, n := range shards {
		if i > 0 {
			to = append(to, ',')
		}
		to = fmt.Append(to, n)
	}
	return append(to, `],"record":`...)
}
