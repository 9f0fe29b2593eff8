package contract

// WholeStatus asks for a status piece by piece until it has all of it. A status of thousands of accounts is more than one
// message can hold.
func WholeStatus(ask func(*GetStatusRequest) (*GetStatusResponse, error)) (*GetStatusResponse, error) {
	whole, err := ask(&GetStatusRequest{})
	if err != nil {
		return nil, err
	}
	for len(whole.Cursor) > 0 {
		next, err := ask(&GetStatusRequest{Cursor: whole.Cursor})
		if err != nil {
			return nil, err
		}
		whole.Accounts = append(whole.Accounts, next.Accounts...)
		whole.Conditions = append(whole.Conditions, next.Conditions...)
		whole.Cursor = next.Cursor
	}
	return whole, nil
}
