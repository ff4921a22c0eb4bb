// Package graphqlplan compiles selections into functions that append the JSON of an answer straight from Go values: a
// [Writer] knows its keys and fields when it is made, so that nothing is looked up, boxed or scheduled for a field.
//
// It is for what is plain: fields of objects, lists, fragments, aliases. Everything else is left to gqlgen's executor, which
// writes the same bytes where both can: a selection with directives or introspection does not compile, and a value that
// violates the schema, such as a null that may not be, is not written.
package graphqlplan
