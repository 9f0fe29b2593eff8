// Package rows has the messages that notes and index hold, generated from rows.proto.
package rows

//go:generate protoc --proto_path=. --go_out=. --go_opt=paths=source_relative rows.proto
