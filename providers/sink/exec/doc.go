// Package exec is the sink "exec": a program that is run for each delivery.
//
// What happens when this fails? A program that does not exit with one of the success codes
// in time has not acknowledged the delivery: it stays pending and the program is run again,
// with the same TIDEGATE_DELIVERY_ID, so a program must bear being run twice for one
// change. What a program did before it was stopped is unknown. Nothing of its process group
// is left running. Where we are killed ourselves it runs on; it is not run beside itself then:
// the delivery fails until it has ended, and is repeated.
package exec
