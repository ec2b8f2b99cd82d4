// Package web serves what people see in a browser.
package web
