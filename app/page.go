package app

import "berth/store"

// Page asks for a part of a list.
type Page struct {
	Limit  int    // at most so many items; 0 = 100, more than 1000 counts as 1000
	Cursor string // Next of the previous part; empty for the first
}

func (p Page) stored() store.Page { return store.Page{Limit: p.Limit, Cursor: p.Cursor} }

// List is a part of a list. It may hold fewer items than asked for, even none, and still have a Next.
type List[T any] struct {
	Items []T
	Next  string // Cursor of the next part; empty when this is the last
}

func listOf[T any](items []T, next string, err error) (List[T], error) {
	if err != nil {
		return List[T]{}, err
	}
	return List[T]{Items: items, Next: next}, nil
}

// mostPages bounds how much of a table one request reads to find the few rows that its actor may see.
const mostPages = 20

// sift lists what keep takes. It reads whole parts only, so that the cursor of the last one goes on where it stopped.
func sift[T any](p Page, list func(store.Page) ([]T, string, error), keep func(T) bool) (List[T], error) {
	next := p.stored()
	if next.Limit <= 0 {
		next.Limit = store.DefaultLimit
	}
	next.Limit = min(next.Limit, store.MaxLimit)
	found := List[T]{Items: []T{}}
	for range mostPages {
		items, cursor, err := list(next)
		if err != nil {
			return List[T]{}, err
		}
		for _, item := range items {
			if keep(item) {
				found.Items = append(found.Items, item)
				next.Limit--
			}
		}
		found.Next, next.Cursor = cursor, cursor
		if cursor == "" || next.Limit == 0 {
			break
		}
	}
	return found, nil
}
