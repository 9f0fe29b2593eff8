package command

import (
	"errors"
	"net"
)

// freePorts gives loopback addresses with ports that nobody listens at now.
func freePorts(n int) (addresses []string, err error) {
	for range n {
		l, listenErr := net.Listen("tcp", "127.0.0.1:0")
		if listenErr != nil {
			return nil, errors.Join(err, listenErr)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}
