package netrpc

import (
	"errors"
	"fmt"
	"go/token"
	"reflect"
	"strings"
)

// service is a registered receiver.
type service struct {
	methods map[string]*method
}

// method is what can be called.
type method struct {
	name  string        // "Panda.GetInfo"
	call  reflect.Value // bound to its receiver
	arg   reflect.Type
	reply reflect.Type // a pointer
}

func newService(name string, receiver any) (*service, error) {
	fail := func(reason string) (*service, error) {
		return nil, fmt.Errorf("register net/rpc service %q: %s", name, reason)
	}
	v := reflect.ValueOf(receiver)
	switch {
	case name == "":
		return fail("the name is empty")
	case !v.IsValid():
		return fail("the receiver is nil")
	case v.Kind() == reflect.Pointer && v.IsNil():
		return fail("the receiver is a nil " + v.Type().String())
	}
	methods, misfits := suitable(name, v)
	if len(methods) > 0 {
		return &service{methods}, nil
	}
	if more := reflect.PointerTo(v.Type()).NumMethod(); v.Kind() != reflect.Pointer && more > v.NumMethod() {
		return fail(fmt.Sprintf("%s has no method that fits, but *%[1]s has more methods: pass a pointer", v.Type()))
	}
	if len(misfits) == 0 {
		return fail(v.Type().String() + " has no exported method")
	}
	return fail(v.Type().String() + " has no method that fits: " + strings.Join(misfits, "; "))
}

// suitable returns the methods of v that can be called, and what is wrong with the others.
func suitable(name string, v reflect.Value) (methods map[string]*method, misfits []string) {
	methods = map[string]*method{}
	for i := range v.NumMethod() { // exported ones only
		declared, bound := v.Type().Method(i), v.Method(i)
		if err := fits(bound.Type()); err != nil {
			misfits = append(misfits, declared.Name+" "+err.Error())
			continue
		}
		methods[declared.Name] = &method{
			name:  name + "." + declared.Name,
			call:  bound,
			arg:   bound.Type().In(0),
			reply: bound.Type().In(1),
		}
	}
	return methods, misfits
}

// fits says which of net/rpc's rules a method's type breaks.
func fits(t reflect.Type) error {
	switch {
	case t.NumIn() != 2 || t.IsVariadic():
		return fmt.Errorf("takes %d arguments, must take two", t.NumIn())
	case !isPublic(t.In(0)):
		return fmt.Errorf("takes %s, whose type is not exported", t.In(0))
	case t.In(1).Kind() != reflect.Pointer:
		return fmt.Errorf("takes %s for its reply, must take a pointer", t.In(1))
	case !isPublic(t.In(1)):
		return fmt.Errorf("takes %s for its reply, whose type is not exported", t.In(1))
	case t.NumOut() != 1:
		return fmt.Errorf("returns %d values, must return an error", t.NumOut())
	case t.Out(0) != reflect.TypeFor[error]():
		return fmt.Errorf("returns %s, must return an error", t.Out(0))
	}
	return nil
}

func isPublic(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return token.IsExported(t.Name()) || t.PkgPath() == ""
}

// newArg returns a pointer to decode the argument into.
func (m *method) newArg() reflect.Value {
	if m.arg.Kind() == reflect.Pointer {
		return reflect.New(m.arg.Elem())
	}
	return reflect.New(m.arg)
}

// newReply returns an empty reply; a map in it can be written to.
func (m *method) newReply() reflect.Value {
	reply := reflect.New(m.reply.Elem())
	switch t := m.reply.Elem(); t.Kind() {
	case reflect.Map:
		reply.Elem().Set(reflect.MakeMap(t))
	case reflect.Slice:
		reply.Elem().Set(reflect.MakeSlice(t, 0, 0))
	default:
	}
	return reply
}

// panicked is what a client gets to know of a panic.
func (m *method) panicked() error { return errors.New("rpc: " + m.name + " panicked") }

// invoke calls the method. It tells note of a panic, with its value, and of a method that ends its
// goroutine, with nil; then it does not return.
func (m *method) invoke(arg, reply reflect.Value, note func(value any)) (err error) {
	returned := false
	defer func() {
		if !returned {
			note(recover())
			err = m.panicked()
		}
	}()
	if m.arg.Kind() != reflect.Pointer {
		arg = arg.Elem()
	}
	out := m.call.Call([]reflect.Value{arg, reply})
	err, _ = reflect.TypeAssert[error](out[0]) // not ok when it is nil
	returned = true
	return err
}
