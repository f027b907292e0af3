"""Values and rules of the domain. Pure: nothing here awaits or imports a library."""
