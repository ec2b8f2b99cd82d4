package app

// Page asks for a part of a list.
type Page struct {
	Limit  int    // at most so many items; 0 = 50, more than 500 counts as 500
	Cursor string // Next of the previous part; empty for the first
}

// List is a part of a list.
type List[T any] struct {
	Items []T
	Next  string // Cursor of the next part; empty when this is the last
}
