#include "Field.h"

namespace plugin::IForest_Scorer {

Field::Field(const zeek::RecordType* type, const char* name, zeek::TypeTag tag)
    : offset(type ? type->FieldOffset(name) : -1) {
    if ( Exists() && type->GetFieldType(offset)->Tag() != tag )
        offset = -1;
}

} // namespace plugin::IForest_Scorer
